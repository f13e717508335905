"""The Rust tokenizers in the text benchmark: encodes texts, or trains WordPiece or byte-level BPE. Prints a line of JSON."""

import argparse
import hashlib
import json
import resource
import time
from array import array
from pathlib import Path

import tokenizers
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)
    encoding = tasks.add_parser("encode")
    encoding.add_argument("--tokenizer", type=Path, required=True)
    encoding.add_argument("--texts", type=Path, required=True, help="a JSON list")
    encoding.add_argument("--method", choices=["encode_batch", "encode_batch_fast"], required=True)
    encoding.add_argument("--passes", type=int, required=True)
    training = tasks.add_parser("train")
    training.add_argument("--type", choices=["wordpiece", "bpe"], required=True)
    training.add_argument("--corpus", required=True)
    training.add_argument("--vocab-size", type=int, required=True)
    training.add_argument("--output", type=Path, required=True, help="JSON: the pieces by id, and of BPE the merges")
    return parser.parse_args()


def timed(work):
    """Seconds, the processor's seconds for each of them, and what came out."""
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    seconds = time.perf_counter() - start
    return seconds, (time.process_time() - busy) / seconds, result


def encode(arguments):
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer / "tokenizer.json"))
    texts = json.loads(arguments.texts.read_text(encoding="utf-8"))
    run = getattr(tokenizer, arguments.method)
    first, _, encoded = timed(lambda: run(texts))
    ids = array("I", (number for one in encoded for number in one.ids))
    steady, cores = zip(*(timed(lambda: run(texts))[:2] for _ in range(arguments.passes)))
    return dict(first=first, steady=steady, cores=cores, ids=hashlib.sha256(ids.tobytes()).hexdigest())


def train_wordpiece(arguments):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=arguments.vocab_size, min_frequency=2, special_tokens=SPECIAL, limit_alphabet=1000,
        show_progress=False,
    )
    tokenizer.train([arguments.corpus], trainer)
    return tokenizer


def train_bpe(arguments):
    """The text as a whole: by lines, as files are read, line breaks would not be beside spaces."""
    tokenizer = ByteLevelBPETokenizer()
    text = Path(arguments.corpus).read_text(encoding="utf-8")
    tokenizer.train_from_iterator(
        [text], vocab_size=arguments.vocab_size, min_frequency=2, special_tokens=["<|endoftext|>"], show_progress=False
    )
    return tokenizer


def train(arguments):
    run = dict(wordpiece=train_wordpiece, bpe=train_bpe)[arguments.type]
    seconds, cores, tokenizer = timed(lambda: run(arguments))
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    merges = [" ".join(pair) for pair in model.get("merges", [])]
    arguments.output.write_text(json.dumps(dict(pieces=pieces, merges=merges)), encoding="utf-8")
    return dict(seconds=seconds, cores=cores)


arguments = parse_arguments()
result = dict(encode=encode, train=train)[arguments.task](arguments)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(dict(version=f"tokenizers {tokenizers.__version__}", peak_mebibytes=peak, **result)))
