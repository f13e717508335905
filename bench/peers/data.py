"""A data set of token ids by the Rust tokenizers and megatron-core's builder, as in Megatron-LM's preprocess_data.py or
with the tokenizers' own threads. Prints a line of JSON; what is imported is not in its seconds."""

import argparse
import json
import multiprocessing
import resource
import time
from itertools import islice
from pathlib import Path

from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder
from tokenizers import Tokenizer


class Encoder:
    """One in each process."""

    def __init__(self, path):
        self.path = path

    def initializer(self):
        Encoder.tokenizer = Tokenizer.from_file(self.path)

    def encode(self, line):
        return Encoder.tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids


def by_processes(path, lines, workers):
    encoder = Encoder(path)
    with multiprocessing.Pool(workers, initializer=encoder.initializer) as pool:
        yield from pool.imap(encoder.encode, lines, 32)


def by_threads(path, lines, workers):
    """As many as RAYON_NUM_THREADS says."""
    tokenizer = Tokenizer.from_file(path)
    while batch := [json.loads(line)["text"] for line in islice(lines, 32 * workers)]:
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            yield encoding.ids


METHODS = dict(processes=by_processes, threads=by_threads)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--input", required=True, help="JSON lines")
    parser.add_argument("--output-prefix", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--method", choices=METHODS, required=True)
    arguments = parser.parse_args()
    start = time.perf_counter()
    path = str(arguments.tokenizer / "tokenizer.json")
    dtype = DType.optimal_dtype(Tokenizer.from_file(path).get_vocab_size())
    builder = IndexedDatasetBuilder(f"{arguments.output_prefix}.bin", dtype=dtype)
    with open(arguments.input, encoding="utf-8") as lines:
        for ids in METHODS[arguments.method](path, lines, arguments.workers):
            builder.add_document(ids, [len(ids)])
    builder.finalize(f"{arguments.output_prefix}.idx")
    seconds = time.perf_counter() - start
    peak = max(resource.getrusage(kind).ru_maxrss for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps(dict(seconds=seconds, peak_mebibytes=peak)))


if __name__ == "__main__":
    main()
