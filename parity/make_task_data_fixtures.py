"""Writes test/fixtures/task-data/: the same rows in every format, written by pandas, pyarrow and datasets, and what
they read of them."""

import json
import shutil
from pathlib import Path

import datasets
import pandas
import pyarrow
import pyarrow.parquet

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "test/fixtures/task-data"

TABLE = [
    {"sentence": "plain", "label": "0", "note": "x"},
    {"sentence": 'a "quoted" word, and a comma', "label": "1", "note": ""},
    {"sentence": "two\nlines", "label": "0", "note": "tab\there"},
    {"sentence": "Straße, 鯨 and 🐋", "label": "1", "note": " spaces "},
    {"sentence": '"', "label": "0", "note": "\r\n"},
]

NESTED = [
    {
        "id": f"q{i}",
        "context": f"Context {i} – 鯨",
        "answers": {"text": ["a", "b"][: i % 3], "answer_start": [7, -1][: i % 3]},
        "tokens": ["w"] * i,
        "ner_tags": [i % 3] * i,
        "matrix": [[1, 2], [], [3]][:i],
        "score": None if i == 2 else i / 4,
        "flag": i % 2 == 0,
        "count": 2**40 + i,
        "objects": [{"name": "n", "values": [i]}] * (i % 2),
    }
    for i in range(7)
]

TYPES = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("context", pyarrow.large_string()),
        ("answers", pyarrow.struct([("text", pyarrow.list_(pyarrow.string())), ("answer_start", pyarrow.list_(pyarrow.int32()))])),
        ("tokens", pyarrow.list_(pyarrow.string())),
        ("ner_tags", pyarrow.list_(pyarrow.int64())),
        ("matrix", pyarrow.list_(pyarrow.list_(pyarrow.int32()))),
        ("score", pyarrow.float64()),
        ("flag", pyarrow.bool_()),
        ("count", pyarrow.int64()),
        ("objects", pyarrow.list_(pyarrow.struct([("name", pyarrow.string()), ("values", pyarrow.list_(pyarrow.int64()))]))),
    ]
)


def write_json(name, value):
    (OUTPUT / name).write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tables():
    frame = pandas.DataFrame(TABLE)
    frame.to_csv(OUTPUT / "table.csv", index=False)
    frame.to_csv(OUTPUT / "crlf.csv.gz", index=False, lineterminator="\r\n", encoding="utf-8-sig", compression={"method": "gzip", "mtime": 0})
    frame.to_csv(OUTPUT / "table.tsv", index=False, sep="\t")
    frame.to_json(OUTPUT / "table.jsonl", orient="records", lines=True)
    frame.to_json(OUTPUT / "list.json", orient="records", indent=1)
    for name, separator in [("table.csv", ","), ("crlf.csv.gz", ","), ("table.tsv", "\t")]:
        with pandas.read_csv(OUTPUT / name, sep=separator, dtype=str, keep_default_na=False, chunksize=100) as read:
            assert next(read).to_dict("records") == TABLE, name
    write_json("table.expected.json", TABLE)


def write_parquet():
    table = pyarrow.Table.from_pylist(NESTED, TYPES)
    for compression, version in [("snappy", "1.0"), ("zstd", "2.0")]:
        file = OUTPUT / f"nested.{compression}.parquet"
        pyarrow.parquet.write_table(table, file, compression=compression, data_page_version=version, row_group_size=3)
        assert pyarrow.parquet.read_table(file).to_pylist() == NESTED
    write_json("nested.expected.json", NESTED)
    names = ["O", "B-PER", "I-PER"]
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )
    rows = {"text": ["a", "b", "c"], "label": [1, 0, 1], "ner_tags": [[0, 1, 2], [], [0]]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(OUTPUT / "features.parquet")
    count = 2**23 + 1
    zeros = pyarrow.table({"label": pyarrow.nulls(count, pyarrow.int8())})
    pyarrow.parquet.write_table(zeros, OUTPUT / "many-rows.parquet", row_group_size=count, write_statistics=False)


def main():
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    write_tables()
    write_parquet()


if __name__ == "__main__":
    main()
