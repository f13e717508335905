"""Samples of a data set by megatron-core's BERT or GPT data set. Prints a line of JSON; what is imported is not in its
seconds."""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
from megatron.core.datasets.bert_dataset import BERTMaskedWordPieceDataset, BERTMaskedWordPieceDatasetConfig
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import IndexedDataset
from megatron.core.datasets.utils import Split
from tokenizers import Tokenizer


def read_tokenizer(folder, pad, eod):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # random words are drawn from them in this order
    pieces = {i: tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())}
    special = {name.strip("[]").lower(): tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]")}
    return SimpleNamespace(
        **special, pad=pad, eod=eod, vocab_size=len(pieces), inv_vocab=pieces, unique_identifiers={"name": str(folder)}
    )


def make_dataset(arguments):
    common = dict(
        random_seed=1,
        sequence_length=arguments.sequence_length,
        split="1",
        path_to_cache=tempfile.mkdtemp(),
    )
    indexed = IndexedDataset(arguments.prefix)
    if arguments.kind == "bert":
        config = BERTMaskedWordPieceDatasetConfig(
            **common,
            tokenizer=read_tokenizer(arguments.tokenizer, pad=0, eod=-1),
            masking_probability=0.15,
            short_sequence_probability=0.1,
            masking_max_ngram=3,
            masking_do_full_word=True,
            masking_do_permutation=False,
            masking_use_longer_ngrams=False,
            masking_use_geometric_distribution=False,
            classification_head=True,
        )
        documents = numpy.arange(len(indexed.document_indices) - 1)
        return BERTMaskedWordPieceDataset(indexed, arguments.prefix, documents, arguments.count, Split.train, config)
    config = GPTDatasetConfig(
        **common,
        tokenizer=read_tokenizer(arguments.tokenizer, pad=-2, eod=-1),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    sequences = numpy.arange(len(indexed.sequence_lengths))
    return GPTDataset(indexed, arguments.prefix, sequences, arguments.count, Split.train, config)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--kind", choices=["bert", "gpt"], required=True)
    parser.add_argument("--sequence-length", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    start = time.perf_counter()
    dataset = make_dataset(arguments)
    prepared = time.perf_counter()
    name = "text" if arguments.kind == "bert" else "tokens"
    total = sum(int(dataset[i][name].sum()) for i in range(arguments.count))
    seconds = time.perf_counter() - prepared
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(dict(prepare_seconds=prepared - start, seconds=seconds, sum=total, peak_mebibytes=peak)))


if __name__ == "__main__":
    main()
