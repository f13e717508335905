"""Writes test/fixtures/benchmarks: Megatron-LM's evaluations (tasks/ of 23.04) restated in few lines, on invented texts.

detokenizers.json   `wikitext` and `ptb`: pairs of a text and what becomes of it.
clean-text.json     pairs of a text and what `clean_text` makes of it.
windows.json        per case `tokens` (a count: token i is i + 1), `sequence_length`, `stride`, and of Megatron-LM's
                    windows `text` (s + 1 tokens, padded with 999) and `mask` (s numbers), and the `results` of loss sums.
readers.json        per format the `text` of a file and the `examples` that it has. Of QQP also `skipped` (rows; 1 is the
                    header), of RACE the `pieces` of each choice by the tokenizer of test/fixtures/text/uncased, 128 at
                    most, while `choices` are whole. Labels of test sets are 0, as there.
wikitext103.json    `text` (the file), and of it by the tokenizer of test/fixtures/gpt2-tokenizer/plain the `tokens` and
                    `original_tokens`; `pad`. By the model of test/fixtures/gpt2/text (transformers, float32), per case
                    the `sequence_length`, `stride`, `loss_sums` of the windows in which something counts,
                    `megatron_windows` (how many there are with those of no loss at the end), `loss_sum` and `result`.
lambada.json        `text` (the file), `pad`, and as `plain` and `strict` the `samples`: `input_ids` and `labels`
                    (shifted, padded to the longest sample) and by the same model `is_correct`; `correct`, `total` and
                    `accuracy`. No first choice is nearer than 0.01 to the second.
"""

import csv
import io
import json
import math
import random
import re
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

FIXTURES = Path(__file__).parent.parent / "test" / "fixtures"
OUTPUT = FIXTURES / "benchmarks"

# --- texts -----------------------------------------------------------------------------------------------------------

WIKI = (
    " \n = The Lantern = \n \n The Lantern ( also known as \" The Grey One \" ) is a brig of 1 @,@ 204 tons , built in"
    " the well @-@ known yard of Mr. Osgood ; her masts are 31 @.@ 5 metres high . \n \n = = Voyages = = \n \n"
    " She sailed at 9 : 30 . Was she late ? No ! The owners ' answer was [ as ever ] : ' we never wait ' . \n"
    " The captain 's log { in part } reads \" north by 40 ° east , then N leagues \" ; it doesn 't say more . \n \n"
    " = = = The second voyage = = = \n \n The sailors ' songs were heard from N miles away ( or so they said"
    " ( twice ) ) . It was '  odd  ' , but \n nobody asked . \n \n = = = = Notes = = = = \n \n"
    " The crew 's bread was hard . The whale came up by night , and we saw it . We called to the other ship , but"
    " the wind was high and they did not hear us . \n At last the sea was still . \n"
)
WIKI_MORE = [
    "", " ", "a b", "s 's '", "( ) [ ] { } \" \" ' '", "( open [ mixed ) ] end", "= = = = = = =", "a , b , c", "a , , b",
    " . . . ", "10 ° C , 5 ° F", "\n \n \n", "x\u00a0( \u2009thin\u3000 )\u0085y ( \ufeff z )", "N N N N",
    "it 's the dogs ' 's 5 ' 2", "\" a \" b \" c", "{ $1 $& } ( $' )", "a \r\n b \r\n",
]
PTB = [
    "the company said it does n't expect N million \n shares rose N N to $ N \n mr. x 's # N plan ' s",
    "$ N $ N # N", " N ", "a \n \n b", "can n't 'll", "for $ 1 or # 1", "",
]
CLEAN = [
    "a\nb\n\n c", "  a \t b  ", "end . Next . Last .", "a . . b", "a . . . . . . . b", "a . . . . . . . . b", " . ", "a .b . c", "x\u00a0\u2003y\u0085z\ufeff\x1cw",
    "", "\n", "dots ... here . . .",
]

MNLI_HEADER = "index\tpromptID\tpairID\tgenre\ts1_bin\ts2_bin\ts1_parse\ts2_parse\tsentence1\tsentence2"
MNLI_MIDDLE = "\t1n\t1n\ttravel\t( A )\t( B )\t(R A)\t(R B)\t"
MNLI = {
    "mnli train": MNLI_HEADER + "\tlabel1\tgold_label\n"
    + f"0{MNLI_MIDDLE}The boat  left . It was \"late\" .\tThe boat was in time .\tneutral\tcontradiction\n"
    + f" 7 {MNLI_MIDDLE} Two men row . \t Men are in a boat . \tentailment\tentailment\n"
    + f"12{MNLI_MIDDLE}It rains\u00a0 hard .\tSomebody is wet .\tneutral\tneutral \t \r\n",
    "mnli test": MNLI_HEADER + "\n" + f"0{MNLI_MIDDLE}A door is open .\tA door is shut .\n"
    + f"1{MNLI_MIDDLE}contradiction\tentailment",
}
QQP = {
    "qqp train": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    "10\t1\t2\tHow far is the moon ?\tWhat is the  distance to the moon ?\t1\n"
    "11\t3\t4\tWhy \"do\" cats sleep ?\tWhy is the sea salt ?\t0\n"
    "12\t5\t6\tbroken by a\n"
    "line end ?\tis it ?\t0\n"
    "\n"
    "13\t7\t8\t\tWithout the first ?\t1\n"
    "14\t9\t10\tWithout the second ?\t \t0\n"
    "15\t9\t10\tseven\tcolumns\there\t0\n"
    " 16 \t1\t1\t Last one . Is it ? \t yes \t 0 \n",
    "qqp test": "id\tquestion1\tquestion2\n0\tWho was it ?\tWho is it ?\n1\tHow  many ?\tHow much ?\n",
}
RACE = [
    {"answers": ["C", "A"], "questions": ["The ship came _ .", "What did the boy buy?"],
     "options": [["late", "at  noon", "early", "never"], ["A hat.", "$1 and $& of bread", "A_b", "Nothing \n at all"]],
     "article": "A ship came in early .  A boy bought a hat .\nIt cost $5 .", "id": "low1.txt"},
    {"answers": ["D"], "questions": ["_ is red and _ is not: _"], "options": [["It", "$$", "_", "All of it . Yes"]],
     "article": "Red.", "id": "low2.txt"},
    {"answers": ["B"], "questions": ["Which? " + "very long word " * 60], "options": [["one", "two", "three", "four"]],
     "article": "Long.", "id": "low3.txt"},
]
SWAG = (
    ",video-id,fold-ind,startphrase,sent1,sent2,gold-source,ending0,ending1,ending2,ending3,label\n"
    '0,v1,1,x,"A man, in red, sits.",He,gold,stands up.,"says ""no"", and goes.",eats.,flies.,1\n'
    '1,v2,2,x,A dog runs.,The dog,gen,jumps.,"barks,\nloudly.",sleeps.,,0\n'
)
CONLL = (
    "-DOCSTART- -X- -X- O\n\nAnna NNP I-NP I-PER\nmet VBD I-VP O\nBo NNP I-NP I-PER\nLi NNP I-NP B-PER\n. . O O\n\n\n"
    "-DOCSTART- -X- -X- O\n\nOslo NNP I-NP I-LOC\n"
)

# --- the formulas ----------------------------------------------------------------------------------------------------


def replace_all(text, pairs):
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def wikitext(text):
    """Without the rule of `/' [0-9]/`, which changes nothing but these very characters, with their slashes."""
    text = text.replace("s '", "s'")
    text = replace_all(text, [(" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", ".")])
    text = replace_all(text, [(f" {mark} ", f"{mark} ") for mark in ":;.!?,"])
    for left, right in ("()", "[]", "{}", '""', "''"):
        inside = rf"{re.escape(left)}\s*([^{re.escape(right)}]*?)\s*{re.escape(right)}"
        text = re.sub(inside, lambda found: left + found[1] + right, text)
    text = replace_all(text, [("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" \u00b0 ", "\u00b0")])
    return replace_all(text, [(" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s")])


def ptb(text):
    return replace_all(text, [(" '", "'"), (" \n", "\n"), ("\n ", "\n"), (" n't", "n't"), (" N ", "1 "),
                              ("$ 1", "$1"), ("# 1", "#1")])


def clean_text(text):
    text = re.sub(r"\s+", " ", text.replace("\n", " "))
    return text.replace(" . ", ". ").replace(" . ", ". ").replace(" . ", ". ")


def windows(tokens, length, stride, pad):
    count = max(math.ceil(max(len(tokens) - 1 - stride, 0) / stride) + 1, 1)
    for i in range(count):
        text = tokens[i * stride : i * stride + length + 1]
        mask = [1] * (len(text) - 1) + [0] * (length + 1 - len(text))
        if stride != length and i > 0:
            mask = [0] * (length - stride) + mask[-stride:]
        yield text + [pad] * (length + 1 - len(text)), mask


def perplexities(loss_sum, tokens, words):
    loss, ratio = loss_sum / (tokens - 1), (tokens - 1) / (words - 1)
    return dict(loss=loss, perplexity=math.exp(min(20, loss)), adjusted_perplexity=math.exp(min(20, loss * ratio)),
                token_ratio=ratio)


def lambada_parts(text, encode, strict):
    if not strict:
        tokens = encode(text)
        return tokens[:-1], tokens[-1:]
    word = text.split()[-1]
    return encode(text[: text.rfind(word)].strip()), encode(" " + word)


def rows_of(text):
    return [line.strip().split("\t") for line in io.StringIO(text, newline=None)]


def mnli(text):
    header, *rows = rows_of(text)
    labels = ["contradiction", "entailment", "neutral"]
    return [dict(id=int(row[0]), text=clean_text(row[8].strip()), text_pair=clean_text(row[9].strip()),
                 label=0 if len(header) == 10 else labels.index(row[-1].strip())) for row in rows]


def qqp(text):
    header, *rows = rows_of(text)
    examples, skipped = [], []
    for number, row in enumerate(rows, 2):
        first = 1 if len(header) == 3 else 3
        if len(row) != len(header) or not row[first].strip() or not row[first + 1].strip():
            skipped.append(number)
            continue
        examples.append(dict(id=int(row[0]), text=clean_text(row[first].strip()),
                             text_pair=clean_text(row[first + 1].strip()),
                             label=0 if len(header) == 3 else int(row[5])))
    return dict(examples=examples, skipped=skipped)


def race(articles, pieces):
    """With the ids of each choice, of which 128 at most are kept."""
    examples = []
    for article in articles:
        for question, options, answer in zip(article["questions"], article["options"], article["answers"]):
            joined = [question.replace("_", option) if "_" in question else question + " " + option for option in options]
            choices = [clean_text(choice) for choice in joined]
            examples.append(dict(id=len(examples), context=clean_text(article["article"]), choices=choices,
                                 pieces=[pieces(choice)[:128] for choice in choices], label="ABCD".index(answer)))
    return examples


def swag(text):
    return [dict(id=number, context=row["sent1"], choices=[row["sent2"] + " " + row[f"ending{i}"] for i in range(4)],
                 label=int(row["label"])) for number, row in enumerate(csv.DictReader(io.StringIO(text)))]


def conll(text):
    parts = re.split(r"\n\n+", re.sub(r"-DOCSTART-.*", "", text).strip("\n"))
    words = [[line.split(" ") for line in part.split("\n")] for part in parts]
    return [dict(id=number, words=[cells[0] for cells in lines], tags=[cells[3] for cells in lines])
            for number, lines in enumerate(words)]


# --- what is written -------------------------------------------------------------------------------------------------


def write(name, value):
    (OUTPUT / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def window_cases():
    for tokens, length, stride in ((2, 4, 2), (5, 4, 4), (6, 4, 4), (9, 4, 1), (10, 6, 4), (23, 8, 3), (40, 16, 16),
                                   (33, 16, 5), (7, 10, 3), (100, 32, 8)):
        made = list(windows(list(range(1, tokens + 1)), length, stride, 999))
        results = [dict(loss_sum=loss_sum, original_tokens=words, **perplexities(loss_sum, tokens, words))
                   for loss_sum, words in ((3.25 * tokens, tokens), (2.5, max(2, tokens // 2)), (30.0 * tokens, 3))]
        yield dict(tokens=tokens, sequence_length=length, stride=stride, text=[text for text, _ in made],
                   mask=[mask for _, mask in made], results=results)


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor(ids)).logits


def is_clear(logits):
    first, second = logits.topk(2).values.T
    return bool((first - second > 0.01).all())


def wikitext103(model, encode, pad):
    tokens = encode(wikitext(WIKI))
    words = len(WIKI.strip().split(" "))
    cases = []
    for length, stride in ((64, 32), (64, 64), (48, 5), (32, 8)):
        made = list(windows(tokens, length, stride, pad))
        sums = []
        for text, mask in made:
            losses = torch.nn.functional.cross_entropy(logits_of(model, [text[:-1]])[0], torch.tensor(text[1:]),
                                                       reduction="none")
            sums.append(float((losses * torch.tensor(mask)).sum()))
        total = math.fsum(sums)
        cases.append(dict(sequence_length=length, stride=stride, megatron_windows=len(made),
                          loss_sums=[loss for loss, (_, mask) in zip(sums, made) if any(mask)], loss_sum=total,
                          result=perplexities(total, len(tokens), words)))
    return dict(text=WIKI, tokens=tokens, original_tokens=words, pad=pad, cases=cases)


def passages(model, encode, decode):
    """Beginnings that the model goes on with as it is written below: with a word of one token or of several, or with the
    first token of a word, whose others it would not choose, or with others."""
    draw = random.Random(5)
    words = "the a sea ship whale night man men said we they old was in of to and all by it see call hand great".split()
    kinds = {"one token": 4, "several tokens": 4, "first only": 3, "last only": 3, "none": 2}
    found = {kind: [] for kind in kinds}
    while any(len(found[kind]) < count for kind, count in kinds.items()):
        start = "The " + " ".join(draw.choice(words) for _ in range(draw.randrange(4, 16)))
        ids = encode(start)
        for _ in range(3):
            ids.append(int(logits_of(model, [ids])[0, -1].argmax()))
        greedy = decode(ids[len(encode(start)):])
        candidates = [greedy.split()[0] if greedy.split() else "x", *draw.sample(words, 2),
                      draw.choice(words) + greedy.strip().split(" ")[0][:4]]
        for word in candidates:
            text = f"{start} {word}"
            label = encode(" " + word)
            if not word.isalpha() or encode(text) != encode(start) + label:
                continue
            logits = logits_of(model, [encode(text)])[0, -len(label) - 1 : -1]
            if not is_clear(logits):
                continue
            right = [a == b for a, b in zip(label, logits.argmax(-1).tolist())]
            kind = ("one token" if len(label) == 1 else "several tokens") if all(right) else \
                "none" if not any(right) else "last only" if right[-1] else "first only" if right[0] else None
            if kind and len(found[kind]) < kinds[kind] and text not in found[kind]:
                found[kind].append(text)
    texts = [text for kind in kinds for text in found[kind]]
    return [*texts, "He said : the sea is the sea", "  The  old  man   saw \u201cit\u201d \n"]


def lambada(model, encode, pad, texts, strict):
    parts = [lambada_parts(text, encode, strict) for text in texts]
    longest = max(len(context) + len(word) for context, word in parts) - 1
    samples = []
    for context, word in parts:
        tokens = context + word
        padding = longest + 1 - len(tokens)
        ids = (tokens + [pad] * padding)[:-1]
        labels = [-100] * (len(context) - 1) + word + [-100] * padding
        logits = logits_of(model, [ids])[0]
        counted = logits[torch.tensor(labels) != -100]
        assert is_clear(counted)
        samples.append(dict(input_ids=ids, labels=labels, is_correct=counted.argmax(-1).tolist() == word))
    correct = sum(sample["is_correct"] for sample in samples)
    return dict(samples=samples, correct=correct, total=len(samples), accuracy=correct / len(samples))


def main():
    torch.set_num_threads(1)
    OUTPUT.mkdir(exist_ok=True)
    write("detokenizers.json", dict(wikitext=[[text, wikitext(text)] for text in [WIKI, *WIKI_MORE]],
                                    ptb=[[text, ptb(text)] for text in PTB]))
    write("clean-text.json", [[text, clean_text(text)] for text in CLEAN])
    write("windows.json", list(window_cases()))

    pieces = AutoTokenizer.from_pretrained(FIXTURES / "text" / "uncased")
    encode_pieces = lambda text: pieces(text, add_special_tokens=False)["input_ids"]
    jsonl = "".join(json.dumps(article) + "\n" for article in RACE)
    write("readers.json", {
        **{name: dict(text=text, examples=mnli(text)) for name, text in MNLI.items()},
        **{name: dict(text=text, **qqp(text)) for name, text in QQP.items()},
        "race": dict(text=jsonl, examples=race(RACE, encode_pieces)),
        "swag": dict(text=SWAG, examples=swag(SWAG)),
        "conll2003": dict(text=CONLL, examples=conll(CONLL)),
    })

    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "gpt2-tokenizer" / "plain")
    model = GPT2LMHeadModel.from_pretrained(FIXTURES / "gpt2" / "text", attn_implementation="eager").eval()
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    write("wikitext103.json", wikitext103(model, encode, tokenizer.eos_token_id))
    texts = passages(model, encode, tokenizer.decode)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    write("lambada.json", dict(text=lines, pad=tokenizer.eos_token_id,
                               **{name: lambada(model, encode, tokenizer.eos_token_id, texts, name == "strict")
                                  for name in ("plain", "strict")}))
    for file in sorted(OUTPUT.iterdir()):
        print(f"{file.stat().st_size:7}  {file.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
