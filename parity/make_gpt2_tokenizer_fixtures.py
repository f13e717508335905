"""Writes test/fixtures/gpt2-tokenizer/: byte-level BPE of 1,000 tokens trained on chapters of Moby-Dick, as
GPT2TokenizerFast saves it, what it makes of texts that are hard to split, and the merges of the whole novel (see README.md)."""

import gzip
import json
import random
import tempfile
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2TokenizerFast

from make_tokenizer_fixtures import CHINESE, COMBINING, EMOJI, LANGUAGES, ROOT, chapter, cut, random_texts

OUTPUT = ROOT / "test/fixtures/gpt2-tokenizer"
OTHERS = [
    "", " ", "  ", "\n", "\n\n", "\t\t a", "a  b   c    d", " a", "a ", "a\n\nb", "a \n\n b", "don't can't I'm we've they'll he'd it's you're",
    "DON'T I'M", "'s 't '", "''s", "1234567890 12 3.14 ½ ١٢٣ Ⅷ", "a1b2", "<|endoftext|>", "a<|endoftext|>b <|endoftext|> c",
    "<|endoftext|><|endoftext|>", "\u00a0a\u00a0 b", "a\u3000b", "a\u0085b", "\ufeffa \ufeff", "\u200b \u200d", "\u180ea",
    "\u0000", "\x1b[0m", "x" * 3000, " " * 200, "\r\n a\r\n", "_a_b__ c", "\u2028a\u2029", "漢" * 50, "ab" * 700,
]


def described(tokenizer, text, pair=None, **options):
    batch = tokenizer(text, pair, **options)
    samples = batch.get("overflow_to_sample_mapping", range(len(batch.encodings)))
    encodings = [
        dict(ids=e.ids, types=e.type_ids, attention=e.attention_mask, special=e.special_tokens_mask, offsets=e.offsets,
             words=e.word_ids, sequences=e.sequence_ids, sample=sample)
        for e, sample in zip(batch.encodings, samples)
    ]
    return dict(text=text, pair=pair, options=options, encodings=encodings)


def train(texts, size):
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, vocab_size=size, special_tokens=["<|endoftext|>"], show_progress=False)
    return trained


def write_merges_of_whole_novel():
    with tempfile.TemporaryDirectory() as folder:
        train([chapter(n) for n in range(1, 136)], 8192).save_model(folder)
        merges = Path(folder, "merges.txt").read_bytes()
    (OUTPUT / "moby-dick-merges.txt.gz").write_bytes(gzip.compress(merges, mtime=0))


def main():
    chance = random.Random(1)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    write_merges_of_whole_novel()
    trained = train([chapter(n) for n in range(1, 41)] + LANGUAGES, 1000)
    with tempfile.TemporaryDirectory() as folder:
        trained.save_model(folder)
        make = lambda **fields: GPT2TokenizerFast(f"{folder}/vocab.json", f"{folder}/merges.txt", model_max_length=1024, **fields)
        tokenizers = dict(plain=make(), prefix=make(add_prefix_space=True, pad_token="<|endoftext|>"))
        tokenizers["prefix"].add_tokens(["whale", "<a>"])
        for name, tokenizer in tokenizers.items():
            tokenizer.save_pretrained(OUTPUT / name)
            (OUTPUT / name / "special_tokens_map.json").unlink()
            (OUTPUT / name / "added_tokens.json").unlink(missing_ok=True)
    texts = OTHERS + LANGUAGES + EMOJI + COMBINING + random_texts(chance)[:250]
    texts += [f"a{chr(code)}b{chr(code)}" for code in [*range(0x20), *range(0x7F, 0xA0)]]
    texts += [cut(chapter(chance.randrange(1, 136)), chance, 10, 1000) for _ in range(100)] + [chapter(50)[:8000]]
    texts = list(dict.fromkeys(texts))
    cases, decoded = [], []
    for name, tokenizer in tokenizers.items():
        add = lambda *given, **options: cases.append(dict(tokenizer=name, **described(tokenizer, *given, **options)))
        for text in texts if name == "plain" else chance.sample(texts, 120) + OTHERS + ["the whale, a<a>b <a> whale"]:
            add(text)
        short = [text for text in texts if 4 < len(text) < 200]
        for _ in range(60):
            a, b = chance.sample(short, 2)
            add(a, b)
            add(a, truncation=True, max_length=chance.randrange(1, 20))
            add(a, b, truncation="longest_first", max_length=chance.randrange(2, 40))
            add(a, truncation=True, max_length=12, stride=chance.randrange(0, 6), return_overflowing_tokens=True)
        if tokenizer.pad_token:
            for side in ("left", "right"):
                add(short[:4], padding=True, padding_side=side)
                add(short[4:6], padding="max_length", max_length=32, truncation=True, padding_side=side)
            for words in (["The", "whale", "don't"], ["漢字", "a b", "", "😀"]):
                add(words, is_split_into_words=True)
        for _ in range(150):
            ids = chance.choices(range(len(tokenizer)), k=chance.randrange(0, 12))
            skip, clean = chance.random() < 0.5, chance.random() < 0.5
            options = dict(skip_special_tokens=skip, clean_up_tokenization_spaces=clean)
            decoded.append(dict(tokenizer=name, ids=ids, options=options, text=tokenizer.decode(ids, **options)))
    data = json.dumps(dict(cases=cases, decoded=decoded), ensure_ascii=False, separators=(",", ":")).encode()
    (OUTPUT / "cases.json.gz").write_bytes(gzip.compress(data, mtime=0))


main()
