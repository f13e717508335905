"""What scikit-learn, SciPy, seqeval and evaluate's metrics make of random and awkward predictions.

`--evaluate` is a clone of https://github.com/huggingface/evaluate, whose `metrics/` have the official scripts of SQuAD.
"""

import argparse
import gzip
import importlib
import json
import math
import random
import sys
import unicodedata
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, matthews_corrcoef, mean_squared_error

OUTPUT = Path(__file__).parent.parent / "test" / "fixtures" / "metrics"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TYPES = ["PER", "LOC", "A-B"]
# which begin or end an entity only beside some others
STRAY = ["O", "B", "I", "B-PER", "X", ".", "I-PER", "E-PER", "X-PER", ".-PER"]
SCHEMES = ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"]
V2_KEYS = [
    *["exact", "f1", "total", "HasAns_exact", "HasAns_f1", "HasAns_total", "NoAns_exact", "NoAns_f1", "NoAns_total"],
    *["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"],
]
GLUE_CLASSES = {
    **{"cola": 2, "sst2": 2, "mrpc": 2, "qqp": 2, "mnli": 3, "mnli_mismatched": 3},
    **{"qnli": 2, "rte": 2, "wnli": 2, "hans": 2, "ax": 3},
}


def rounded(value):
    """Numbers as JSON has them, the others as text."""
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return int(value) if value == int(value) and abs(value) < 1e15 else float(f"{value:.12g}")


def or_error(function):
    try:
        return function()
    except (ValueError, KeyError, IndexError, ZeroDivisionError):
        return "error"


def classification():
    draw = random.Random(1)
    cases = []
    for i in range(1200):
        classes = draw.choice([1, 2, 2, 2, 3, 4, 36])
        first = draw.choice([0, 0, 0, 1]) if classes < 36 else 0
        count = draw.choice([1, 2, 3, 5, 8, 13, 21])
        references = [first + draw.randrange(classes) for _ in range(count)]
        right = draw.random()
        predictions = [x if draw.random() < right else first + draw.randrange(classes) for x in references]
        if i % 10 == 0:
            predictions = [draw.choice(predictions)] * count
        both = set(predictions) | set(references)
        scores = [
            accuracy_score(references, predictions),
            *(f1_score(references, predictions, average=average) for average in ["macro", "micro", "weighted"]),
            matthews_corrcoef(references, predictions),
        ]
        binary = rounded(f1_score(references, predictions)) if both <= {0, 1} else "error"
        case = ["".join(DIGITS[x] for x in values) for values in [predictions, references]]
        case += [[*map(rounded, scores)], binary]
        if i % 4 == 0:
            size = max(both) + draw.choice([1, 1, 2])
            case.append(confusion_matrix(references, predictions, labels=range(size)).ravel().tolist())
        cases.append(case)
    return cases


def numbers(draw, count):
    kind = draw.randrange(8)
    if kind == 0:
        return [draw.choice([0, 1.5, -2, 0.1])] * count
    if kind == 1:
        return [draw.randrange(3) for _ in range(count)]
    if kind == 2:
        return [round(draw.random() * 5) / 2 for _ in range(count)]
    if kind == 3:
        return [draw.randrange(-9, 9) * 1e200 for _ in range(count)]
    if kind == 4:
        return [draw.randrange(-9, 9) * 1e-170 for _ in range(count)]
    return [round(draw.gauss(draw.choice([0, 100]), 1), 2) for _ in range(count)]


def correlations():
    draw = random.Random(2)
    cases = []
    for i in range(1200):
        count = draw.choice([1, 2, 2, 3, 4, 5, 8, 13])
        references = numbers(draw, count)
        predictions = numbers(draw, count)
        if draw.random() < 0.3:
            predictions = [draw.choice([x, -x, round(x + 1, 2)]) for x in references]
        if i % 40 == 0:
            predictions[draw.randrange(count)] = draw.choice([math.nan, math.inf, -math.inf, -0.0])
        finite = all(map(math.isfinite, predictions))
        scores = [
            or_error(lambda: rounded(pearsonr(predictions, references)[0])),
            rounded(spearmanr(predictions, references)[0]),
            rounded(mean_squared_error(references, predictions)) if finite else None,
        ]
        cases.append([[*map(rounded, predictions)], [*map(rounded, references)], scores])
    return cases


def glue(metric):
    """With `combined_score`, which run_glue.py adds. evaluate has no ax, whose classes are mnli's."""
    draw = random.Random(3)
    cases = []
    for task in [*GLUE_CLASSES, "stsb"]:
        for _ in range(100):
            count = draw.randrange(2, 12)
            if task == "stsb":
                predictions, references = ([draw.randrange(51) / 10 for _ in range(count)] for _ in range(2))
            else:
                classes = GLUE_CLASSES[task]
                predictions, references = ([draw.randrange(classes) for _ in range(count)] for _ in range(2))
            config = SimpleNamespace(config_name="mnli" if task == "ax" else task)
            result = metric._compute(config, np.array(predictions), np.array(references))
            if len(result) > 1:
                result["combined_score"] = np.mean(list(result.values())).item()
            cases.append([task, predictions, references, {key: rounded(value) for key, value in result.items()}])
    return cases


def spans(draw, count):
    place = 0
    while place < count:
        length = draw.choice([1, 1, 2, 3, 4])
        kind = draw.choice([None, *TYPES])
        yield kind, min(length, count - place)
        place += length


def encode(scheme, sentence):
    """Tags of (type, length), in the scheme's own way."""
    tags, before = [], None
    for kind, length in sentence:
        prefixes = {
            "IOB1": ["B" if kind == before else "I", *"I" * (length - 1)],
            "IOB2": ["B", *"I" * (length - 1)],
            "IOE1": [*"I" * (length - 1), "E" if kind == before else "I"],
            "IOE2": [*"I" * (length - 1), "E"],
            "IOBES": ["S"] if length == 1 else ["B", *"I" * (length - 2), "E"],
            "BILOU": ["U"] if length == 1 else ["B", *"I" * (length - 2), "L"],
        }[scheme]
        tags += ["O"] * length if kind is None else [f"{prefix}-{kind}" for prefix in prefixes]
        before = kind
    return tags


def odd_tags(scheme):
    if scheme is None:
        kinds = ["B", "I", "E", "S", "I-", "B-", "B-PER-X", "I-PER-X", "B--X", "I--X", "BPER", "O-PER", "X-PER", "X"]
        kinds += [".", ".-PER", "-PER", "L-LOC", "U-LOC", "i-PER", "É-PER", "B-é", "😀-PER", "😀", "😀X", "I-1"]
        return [*kinds, "B-__proto__"]
    prefixes = "".join(sorted(set(scheme.replace("1", "").replace("2", "")) - {"O"}))
    forms = ["{}", "{}-", "{}--X", "{}-X-", "{}PER", "{}-é"]
    return [form.format(prefix) for form in forms for prefix in prefixes] + ["O-PER"]


def coded(tags, sentences):
    return "/".join("".join(LETTERS[tags.index(tag)] for tag in sentence) for sentence in sentences)


def seqeval(metric, scheme, seed):
    """Sequences are letters, one for a tag, with / between sentences."""
    draw = random.Random(seed)
    odd = odd_tags(scheme)
    # refused: by all, by a scheme
    wrong = [""] if scheme is None else ["", "X-PER", "e-PER", "L-PER" if scheme == "IOBES" else "S-PER"]
    twice = [[(kind, length)] * 2 for kind in TYPES for length in (1, 3)]
    regular = sorted({tag for sentence in twice for tag in encode(scheme or "IOBES", sentence)})
    tags = ["O", *regular, *odd, *wrong]

    def mutate(tag, often):
        if draw.random() >= often:
            return tag
        return draw.choice(odd if draw.random() < 0.3 else ["O", *regular])

    cases = []
    for i in range(1200):
        lengths = [draw.choice([1, 2, 3, 5, 8]), *(draw.randrange(5) for _ in range(draw.randrange(3)))]
        draw.shuffle(lengths)
        style = scheme or draw.choice(SCHEMES[:5])
        references = [encode(style, spans(draw, length)) for length in lengths]
        if i % 7 == 3:
            references = [[tag[:2] + draw.choice(TYPES[:2]) if tag != "O" else tag for tag in s] for s in references]
        if i % 3 == 0:
            references = [[mutate(tag, 0.8) for tag in sentence] for sentence in references]
        often = draw.choice([0, 0.2, 0.5, 1])
        predictions = [[mutate(tag, often) for tag in sentence] for sentence in references]
        if i % 10 == 5 and scheme is None:
            references = [[draw.choice(STRAY) for _ in sentence] for sentence in references]
            predictions = [[tag if draw.random() < 0.7 else draw.choice(STRAY) for tag in s] for s in references]
        if i % 50 == 0:
            predictions = [[draw.choice(wrong) for _ in sentence] for sentence in predictions]
        tags += sorted({tag for both in [predictions, references] for s in both for tag in s} - set(tags))
        options = {} if scheme is None else {"mode": "strict", "scheme": scheme}
        result = or_error(lambda: metric._compute(None, predictions, references, **options))
        if result != "error":
            overall = [rounded(result.pop(f"overall_{key}")) for key in ["precision", "recall", "f1", "accuracy"]]
            result = [overall, {kind: [*map(rounded, scores.values())] for kind, scores in result.items()}]
        cases.append([*(coded(tags, sentences) for sentences in [predictions, references]), result])
    return {"tags": tags, "cases": cases}


PIECES = [
    *["the", "a", "an", "The", "A", "AN", "theatre", "cat", "Cat", "cats", "dog", "42", "1,000", "$5", "-", "--", "!?"],
    *["the-cat", "a.b", "a.", ".a", "_a_", "the_", "cat's", "the’s", "‘the’", "“cat”", "—", "a—an", "«the»", "...", ""],
    *["。", "、a", "！", "the！", "a日", "日本", "日 the 本", "😀", "a😀the", "\U0001d400 a", "𐐀", "Ａ", "ｔｈｅ", "１２", " "],
    *["café", "cafe\u0301", "the\u0301", "\u0301a", "a\u0903", "é", "É", "Ω", "Å", "İ", "ı", "ΟΔΟΣ", "ΣΑΣ.Σ", "ß", "ẞ"],
    *["a²", "²a", "a٣", "٣ the", "½a", "a\u00bd", "ªa", "ǅ", "ﬀ", "Ⅷ", "Ⓐ", "the\u2009dog", "an\x0bapple", "\tcat\n"],
    *["a\u00a0cat", "\u00a0", "\u3000", "\u2028", "a\x1ca", "\x1f", "\x85", "a\x85the", "\ufeff", "\ufeffa", "\u200bthe"],
    *["the\u200d", "\u180ea", "\x00", "a\x00", "a\u00ada"],
]


def texts(draw):
    """Groups of texts that are alike."""
    groups = [["", " ", "the", "A an", "?", "!", "the!", "\u3000", "—"]]
    for _ in range(70):
        words = [draw.choice(PIECES) for _ in range(draw.choice([1, 2, 3, 4, 6]))]
        group = [" ".join(words)]
        for _ in range(4):
            some = [draw.choice(PIECES) if draw.random() < 0.2 else w for w in words if draw.random() < 0.8]
            draw.shuffle(some)
            group.append(draw.choice([" ", " ", " the ", "", ", "]).join(some))
        groups.append(group)
    return groups


def squad(metric, metric_v2, normalize):
    """Texts with their normalized form, and questions whose answers are places in that list."""
    draw = random.Random(4)
    groups = texts(draw)
    pool = sorted({text for group in groups for text in group} | set(PIECES))
    places = {text: i for i, text in enumerate(pool)}

    def question(fewest):
        group = draw.choice(groups)
        golds = [draw.choice(group) for _ in range(max(fewest, draw.choice([0, 1, 1, 2, 3])))]
        return draw.choice(group if draw.random() < 0.8 else pool), golds

    def in_places(prediction, golds, *rest):
        return [places[prediction], [places[gold] for gold in golds], *rest]

    def references(questions):
        return [{"id": str(i), "answers": {"text": golds}} for i, (_, golds, *_) in enumerate(questions)]

    first = []
    for _ in range(1200):
        questions = [question(1) for _ in range(draw.choice([1, 1, 2, 4]))]
        predictions = [{"id": str(i), "prediction_text": text} for i, (text, _) in enumerate(questions)]
        result = metric._compute(None, predictions, references(questions))
        values = [rounded(result[key]) for key in ["exact_match", "f1"]]
        first.append([[in_places(*each) for each in questions], values])

    second = []
    for _ in range(1000):
        questions = [(*question(0), draw.randrange(6) / 5) for _ in range(draw.choice([1, 2, 3, 5, 6]))]
        questions = [("" if draw.random() < 0.2 else text, golds, odds) for text, golds, odds in questions]
        threshold = draw.choice([1, 1, 0, 0.4, 0.5, -1])
        order = draw.choice([1, -1])
        predictions = [
            {"id": str(i), "prediction_text": text, "no_answer_probability": odds}
            for i, (text, _, odds) in enumerate(questions)
        ][::order]
        result = metric_v2._compute(None, predictions, references(questions), no_answer_threshold=threshold)
        values = [rounded(result[key]) if key in result else None for key in V2_KEYS]
        second.append([threshold, order, [in_places(*each) for each in questions], values])
    return {"texts": [[text, normalize(text)] for text in pool], "squad": first, "keys": V2_KEYS, "squad_v2": second}


def code_points(normalize):
    """What each code point of Unicode 14 does between "the" and "a", as ranges: it joins them to one word, leaves both
    out as words, stays alone as they are left out, or is removed itself. İ has two code points in lower case, which do
    different things."""
    kinds = {"word": [], "space": [], "alone": [], "removed": []}
    lower = {}
    for code in range(0x110000):
        character = chr(code)
        small = character.lower()
        if unicodedata.category(character) in ("Cn", "Cs") or len(small) > 1:
            continue
        if small != character:
            lower[character] = small
        outcomes = {f"the{small}a": "word", "": "space", small: "alone", "thea": "removed"}
        ranges = kinds[outcomes[normalize(f"the{character}a")]]
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return {"kinds": kinds, "lower": lower}


def write(name, value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    (OUTPUT / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--evaluate", required=True, help="a clone of huggingface/evaluate")
    sys.path.insert(0, arguments.parse_args().evaluate)
    warnings.simplefilter("ignore")

    def load(name):
        return importlib.import_module(f"metrics.{name}")

    OUTPUT.mkdir(parents=True, exist_ok=True)
    write("classification", classification())
    write("correlations", correlations())
    write("glue", glue(load("glue.glue").Glue))
    metric = load("seqeval.seqeval").Seqeval
    write("seqeval", {scheme or "lenient": seqeval(metric, scheme, i) for i, scheme in enumerate([None, *SCHEMES])})
    normalize = load("squad.compute_score").normalize_answer
    write("squad", squad(load("squad.squad").Squad, load("squad_v2.squad_v2").SquadV2, normalize))
    write("code-points", code_points(normalize))


main()
