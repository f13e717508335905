"""Megatron-LM's samples of its data sets, restated (v1.0 to 23.04): parts, blends, BERT's and GPT's indices and samples.

Written from the documented format; nothing here is shared with the package. `numpy.random.RandomState` is numpy's own.
"""

import math

import numpy

LONG_SENTENCE = 512
IGNORED = -1


def mt19937(seed):
    """std::mt19937 has the bits that RandomState has."""
    state = numpy.random.RandomState(seed)
    while True:
        yield int(state.randint(0, 2**32, dtype=numpy.uint32))


def mt19937_64(seed):
    """Nishimura and Matsumoto's 64-bit Mersenne twister: std::mt19937_64."""
    mask = 2**64 - 1
    state = [seed]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & mask)
    while True:
        for i in range(312):
            x = (state[i] & 0xFFFFFFFF80000000) | (state[(i + 1) % 312] & 0x7FFFFFFF)
            state[i] = state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for x in state:
            x ^= (x >> 29) & 0x5555555555555555
            x ^= (x << 17) & 0x71D67FFFEDA60000
            x ^= (x << 37) & 0xFFF7EEE000000000
            yield x ^ (x >> 43)


def split_boundaries(split, size):
    """get_train_valid_test_split_: with what cannot be, a part that ends before it begins, as an empty part."""
    shares = [float(share) for share in split.replace("/", ",").split(",")]
    shares += [0.0] * (3 - len(shares))
    total = sum(shares)
    boundaries = [0]
    for share in shares:
        boundaries.append(boundaries[-1] + int(round(share / total * float(size))))
    difference = boundaries[-1] - size
    return [0] + [max(0, boundary - difference) for boundary in boundaries[1:]]


def blending_indices(weights, size):
    taken = [0] * len(weights)
    rows = []
    for i in range(size):
        errors = [weight * max(i, 1.0) - count for weight, count in zip(weights, taken)]
        chosen = errors.index(max(errors))
        rows.append([chosen, taken[chosen]])
        taken[chosen] += 1
    return rows


def bert_mapping(documents, sizes, count, longest, short_probability, seed):
    """`documents`: first sentences, and an end. Rows of first sentence, end, target length, shuffled."""
    ratio = math.floor(1 / short_probability + 0.5) if short_probability > 0 else 0
    bits = mt19937(seed)

    def target_length():
        if ratio == 0:
            return longest
        drawn = next(bits)
        return 2 + drawn % (longest - 1) if drawn % ratio == 0 else longest

    rows = []
    while len(rows) < count:
        for first, last in zip(documents[:-1], documents[1:]):
            remaining = last - first
            if remaining < 2 or any(size > LONG_SENTENCE for size in sizes[first:last]):
                continue
            target, start, length, sentences = target_length(), first, 0, 0
            for index in range(first, last):
                length += sizes[index]
                sentences += 1
                remaining -= 1
                if (length >= target and remaining > 1 and sentences >= 2) or remaining == 0:
                    rows.append([start, index + 1, target])
                    target, start, length, sentences = target_length(), index + 1, 0, 0
    bits = mt19937_64(seed + 1)
    for i in range(len(rows) - 1, 0, -1):
        j = next(bits) % (i + 1)
        rows[i], rows[j] = rows[j], rows[i]
    return rows


def masked_lm_predictions(tokens, target, probability, vocabulary, random):
    """create_masked_lm_predictions. Returns the tokens with masks, and positions with their labels."""
    words = []
    for i, token in enumerate(tokens):
        if token in (vocabulary["cls"], vocabulary["sep"]):
            continue
        if token in vocabulary["continuations"] and words:
            words[-1].append(i)
        else:
            words.append([i])
    wanted = min(probability * target, max(1, int(round(len(tokens) * probability))))
    ngrams = [[words[i : i + n] for n in (1, 2, 3)] for i in range(len(words))]
    random.shuffle(ngrams)
    probabilities = 1.0 / numpy.arange(1, 4)
    probabilities /= probabilities.sum()
    output = list(tokens)
    labels = {}
    for choices in ngrams:
        if len(labels) >= wanted:
            break
        n = random.choice([1, 2, 3], p=probabilities)
        indices = sum(choices[n - 1], [])
        while len(labels) + len(indices) > wanted and n > 1:
            n -= 1
            indices = sum(choices[n - 1], [])
        if len(labels) + len(indices) > wanted or any(index in labels for index in indices):
            continue
        for index in indices:
            if random.random_sample() < 0.8:
                output[index] = vocabulary["mask"]
            elif random.random_sample() >= 0.5:
                output[index] = int(random.randint(0, vocabulary["size"]))
            labels[index] = tokens[index]
    return output, labels


def bert_sample(sentences, target, number, sequence_length, probability, vocabulary, seed):
    """build_training_sample for row `number` of the shuffled mapping."""
    random = numpy.random.RandomState((seed + number) % 2**32)
    pivot = 1 if len(sentences) < 3 else random.randint(1, len(sentences))
    a, b = sum(sentences[:pivot], []), sum(sentences[pivot:], [])
    is_random = random.random_sample() < 0.5
    if is_random:
        a, b = b, a
    while len(a) + len(b) > target:
        longer = a if len(a) > len(b) else b
        del longer[0 if random.random_sample() < 0.5 else -1]
    tokens = [vocabulary["cls"], *a, vocabulary["sep"], *b, vocabulary["sep"]]
    types = [0] * (len(a) + 2) + [1] * (len(b) + 1)
    text, labels = masked_lm_predictions(tokens, target, probability, vocabulary, random)
    padding = [vocabulary["pad"]] * (sequence_length - len(tokens))
    return {
        "text": text + padding,
        "types": types + [0] * len(padding),
        "labels": [labels.get(i, IGNORED) for i in range(sequence_length)],
        "padding_mask": [1] * len(tokens) + [0] * len(padding),
        "is_random": int(is_random),
    }


def gpt_indices(first, sizes, sequence_length, count, seed):
    """The document, sample and shuffle index of documents `first`, `first` + 1, … of these sizes."""
    tokens = sum(sizes)
    epochs = 1
    while (epochs * tokens - 1) // sequence_length < count:
        epochs += 1
    samples_without_last = ((epochs - 1) * tokens - 1) // sequence_length
    samples_of_epoch = (tokens - 1) // sequence_length
    separate = epochs > 1 and count - samples_without_last < int(0.80 * samples_of_epoch)
    random = numpy.random.RandomState(seed)

    def shuffled(groups):
        arrays = [numpy.array(group, dtype=numpy.int32) for group in groups]
        for array in arrays:
            random.shuffle(array)
        return [int(number) for array in arrays for number in array]

    numbers = [first + i for i in range(len(sizes))]
    documents = shuffled([numbers * (epochs - 1), numbers] if separate else [numbers * epochs])
    lengths = [sizes[document - first] for document in documents]
    total = (epochs * tokens - 1) // sequence_length
    samples = [starts_at(lengths, i * sequence_length) for i in range(total + 1)]
    split = samples_without_last if separate else total
    return documents, samples, shuffled([range(split), range(split, total)]), separate


def starts_at(lengths, token):
    """Document and offset of a token of documents laid end to end."""
    for place, length in enumerate(lengths):
        if token < length:
            return [place, token]
        token -= length
    raise IndexError


def gpt_sample(documents, samples, contents, number, sequence_length):
    """The tokens of a sample, and one more."""
    place, offset = samples[number]
    tokens = []
    while len(tokens) <= sequence_length:
        tokens += contents[documents[place]][offset : offset + sequence_length + 1 - len(tokens)]
        place, offset = place + 1, 0
    return tokens
