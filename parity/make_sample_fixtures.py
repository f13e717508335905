"""Writes test/fixtures/samples/: random data sets and the samples that Megatron-LM makes of them, as megatron_samples.py
restates it. What megatron-core still has must agree: it builds the same data sets, and every sample is compared."""

import gzip
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
from megatron.core.datasets import helpers
from megatron.core.datasets.bert_dataset import BERTMaskedWordPieceDataset, BERTMaskedWordPieceDatasetConfig
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder
from megatron.core.datasets.utils import Split

import megatron_samples

OUTPUT = Path(__file__).resolve().parent.parent / "test/fixtures/samples"
VOCABULARY = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4, "size": 80, "continuations": range(60, 80)}
RANDOM = numpy.random.default_rng(20)
FOLDER = Path(tempfile.mkdtemp())


def integers(low, high, count=None):
    drawn = RANDOM.integers(low, high, size=count)
    return int(drawn) if count is None else [int(number) for number in drawn]


def sentence(longest):
    """Words of one to four pieces."""
    return [integers(5, 60) if RANDOM.random() < 0.7 else integers(60, 80) for _ in range(integers(1, longest + 1))]


def bert_documents(count, longest):
    documents = [[sentence(longest) for _ in range(integers(0, 13))] for _ in range(count)]
    # a sentence of 512 tokens is one that may be, one of 513 is not
    documents[count // 2] = [sentence(4), integers(5, 80, 512), sentence(4)]
    documents[count // 3] = [sentence(4), integers(5, 80, 513), sentence(4)]
    return documents


def gpt_documents(count, longest):
    return [integers(0, 3000, integers(0, longest)) for _ in range(count)]


def indexed(documents, name):
    prefix = str(FOLDER / name)
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(VOCABULARY["size"]))
    for sentences in documents:
        builder.add_document([token for ids in sentences for token in ids], [len(ids) for ids in sentences])
    builder.finalize(f"{prefix}.idx")
    return IndexedDataset(prefix)


def core_tokenizer(pad):
    pieces = {i: f"##{i}" if i in VOCABULARY["continuations"] else str(i) for i in range(VOCABULARY["size"])}
    known = {key: VOCABULARY[key] for key in ["cls", "sep", "mask"]}
    return SimpleNamespace(**known, pad=pad, eod=-1, vocab_size=None, inv_vocab=pieces, unique_identifiers={"name": "pieces"})


def core_config(case):
    return {
        "random_seed": case["seed"],
        "sequence_length": case["sequence_length"],
        "split": "1",
        "path_to_cache": tempfile.mkdtemp(dir=FOLDER),
    }


def compare_bert(case, mapping, samples):
    config = BERTMaskedWordPieceDatasetConfig(
        **core_config(case),
        tokenizer=core_tokenizer(VOCABULARY["pad"]),
        masking_probability=case["mask_prob"],
        short_sequence_probability=case["short_seq_prob"],
        masking_max_ngram=3,
        masking_do_full_word=True,
        masking_do_permutation=False,
        masking_use_longer_ngrams=False,
        masking_use_geometric_distribution=False,
        classification_head=True,
    )
    dataset = indexed(case["documents"], case["name"])
    core = BERTMaskedWordPieceDataset(
        dataset, case["name"], numpy.arange(*case["part"]), case["count"], Split.train, config
    )
    assert core.sample_index.tolist() == mapping
    for sample, expected in zip(samples, core, strict=True):
        for key in ["text", "types", "labels", "is_random"]:
            assert numpy.array_equal(sample[key], expected[key]), (case["name"], key)
        # where the random word was [PAD] megatron-core takes it for padding, which versions before it did not
        differs = numpy.not_equal(sample["padding_mask"], expected["padding_mask"])
        assert all(expected["text"][differs] == VOCABULARY["pad"])


def bert_case(name, **options):
    documents = bert_documents(options.pop("document_count"), options.pop("longest"))
    case = {"name": name, "documents": documents, **options}
    sentences = [ids for document in documents for ids in document]
    starts = [0, *itertools.accumulate(len(document) for document in documents)]
    first, end = case["part"]
    mapping = megatron_samples.bert_mapping(
        starts[first : end + 1],
        [len(ids) for ids in sentences],
        case["count"],
        case["sequence_length"] - 3,
        case["short_seq_prob"],
        case["seed"],
    )
    samples = [
        megatron_samples.bert_sample(
            sentences[begin:stop], target, i, case["sequence_length"], case["mask_prob"], VOCABULARY, case["seed"]
        )
        for i, (begin, stop, target) in enumerate(mapping)
    ]
    compare_bert(case, mapping, samples)
    return {**case, "mapping": mapping, "samples": samples[:60]}


def compare_gpt(case, documents, samples, order, texts):
    config = GPTDatasetConfig(
        **core_config(case),
        tokenizer=core_tokenizer(-2),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    dataset = indexed([[ids] for ids in case["documents"]], case["name"])
    core = GPTDataset(dataset, case["name"], numpy.arange(*case["part"]), case["count"], Split.train, config)
    assert core.document_index.tolist() == documents
    assert core.sample_index.tolist() == samples
    assert core.shuffle_index.tolist() == order
    for text, i in zip(texts, range(len(order)), strict=True):
        assert core[i]["tokens"].tolist() == text[:-1] and core[i]["labels"].tolist() == text[1:]


def gpt_case(name, **options):
    contents = gpt_documents(options.pop("document_count"), options.pop("longest"))
    case = {"name": name, "documents": contents, **options}
    first, end = case["part"]
    sizes = [len(ids) for ids in contents[first:end]]
    length = case["sequence_length"]
    documents, samples, order, separate = megatron_samples.gpt_indices(first, sizes, length, case["count"], case["seed"])
    texts = [megatron_samples.gpt_sample(documents, samples, contents, number, length) for number in order]
    compare_gpt(case, documents, samples, order, texts)
    indices = {"document_index": documents, "sample_index": samples, "shuffle_index": order}
    return {**case, **indices, "is_last_epoch_separate": separate, "samples": texts[:40]}


def blend_case(weights, size):
    weights = [weight / sum(weights) for weight in weights]
    rows = megatron_samples.blending_indices(weights, size)
    datasets, samples = numpy.zeros(size, dtype=numpy.int16), numpy.zeros(size, dtype=numpy.int64)
    helpers.build_blending_indices(datasets, samples, numpy.array(weights), len(weights), size, False)
    assert numpy.array_equal(numpy.stack([datasets, samples], axis=1), rows)
    return {"weights": weights, "rows": rows}


def draws(seed):
    """What is drawn from one RandomState, one after another."""
    random = numpy.random.RandomState(seed)
    ends = [1, 2, 3, 256, 257, 30522, 2**31, 2**32]
    probabilities = 1.0 / numpy.arange(1, 4)
    order = list(range(700))
    return {
        "seed": seed,
        "random": random.random_sample(400).tolist(),
        "ends": ends,
        "integers": [[int(random.randint(0, end, dtype=numpy.int64)) for end in ends] for _ in range(3)],
        "choices": random.choice(3, size=100, p=probabilities / probabilities.sum()).tolist(),
        "shuffled": (random.shuffle(order), order)[1],
        "remainders": [
            [modulus, [bits % modulus for bits in itertools.islice(megatron_samples.mt19937_64(seed), 400)][::7]]
            for modulus in [2, 3, 65537, 2**31 - 1, 2**32]
        ],
    }


def write(name, value):
    with gzip.GzipFile(OUTPUT / f"{name}.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(value, separators=(",", ":")).encode())


def main():
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    os.environ.update(MASTER_ADDR="localhost", MASTER_PORT="29511")
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    lengths, shorts, masks = [16, 32, 64, 128], [0.1, 0.0, 0.5, 1.0, 0.3], [0.15, 0.4, 0.05, 0.15, 0.9]
    bert = [
        bert_case(
            f"bert-{i}",
            document_count=6 + i,
            longest=[6, 15, 40][i % 3],
            part=[i % 3, 6 + i - i % 2],
            sequence_length=lengths[i % 4],
            short_seq_prob=shorts[i % 5],
            mask_prob=masks[i % 5 - i % 2],
            seed=[1234, 1, 2**31 - 2, 77 + i][i % 4],
            count=[1, 20, 45][i % 3],
        )
        for i in range(16)
    ]
    write("bert", {"vocabulary": {**VOCABULARY, "continuations": list(VOCABULARY["continuations"])}, "cases": bert})
    gpt = [
        gpt_case(
            f"gpt-{i}",
            document_count=3 + 2 * i,
            longest=[9, 60, 25][i % 3],
            part=[i % 2, 3 + 2 * i],
            sequence_length=[4, 16, 7, 32, 128][i % 5],
            seed=[1234, 0, 2**32 - 1, 5 + i][i % 4],
            count=[1, 30, 8, 61, 17][i % 5],
        )
        for i in range(16)
    ]
    assert {case["is_last_epoch_separate"] for case in gpt} == {True, False}
    write("gpt", {"cases": gpt})
    splits = ["949,50,1", "969, 30, 1", "90,5,5", "1,1,1", "100", "0,1,1", "1,0,2", "98/1/1", "0.7,0.2,0.1", "0,0,3"]
    sizes = [0, 1, 2, 3, 5, 10, 11, 100, 777, 1000, 12345, 10**9]
    weights = [[3, 5, 2], [1], [1, 1], [1, 2, 3, 4, 5, 6, 7], [0.001, 99], [5, 0, 5], integers(1, 50, 12)]
    write(
        "draws",
        {
            "draws": [draws(seed) for seed in [0, 1, 1234, 2**31 - 1, 2**32 - 1]],
            "splits": [[split, size, megatron_samples.split_boundaries(split, size)] for split in splits for size in sizes],
            "blends": [blend_case(given, 300) for given in weights],
        },
    )
    numpy.save(OUTPUT / "table.npy", numpy.array([[0, 1, 2], [2**32 - 1, 2**31, 7]], dtype=numpy.uint32))
    counts = [sum(len(case["samples"]) for case in cases) for cases in [bert, gpt]]
    separate = sum(case["is_last_epoch_separate"] for case in gpt)
    print(f"BERT: {counts[0]} samples, GPT: {counts[1]}; {separate} of {len(gpt)} with a last epoch of its own")
    shutil.rmtree(FOLDER)


main()
