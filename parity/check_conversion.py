"""Compares our conversions with checkpoints that PyTorch wrote, and with transformers' own scripts. They left the
package after 4.40: `pip download --no-deps transformers==4.40.2`, and give the wheel as --scripts."""

import argparse
import importlib.util
import itertools
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from megatron_layout import HEADS, HIDDEN, LAYERS, POSITIONS, VOCABULARY, cast, random_model, stage, write_checkpoint
from safetensors.torch import load_file
from transformers import GPT2Config, MegatronBertConfig

TIED = {"bert": "cls.predictions.decoder.weight", "gpt2": "lm_head.weight"}
WORDS = {"bert": "bert.embeddings.word_embeddings.weight", "gpt2": "transformer.wte.weight"}
DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


def convert(jobs):
    script = Path(__file__).parent / "convert.mjs"
    lines = "\n".join(json.dumps([str(source), str(target), options]) for source, target, options in jobs)
    subprocess.run(["node", str(script)], input=lines, text=True, check=True)


def same(found, expected):
    return set(found) == set(expected) and all(
        found[name].dtype == expected[name].dtype and torch.equal(found[name], expected[name]) for name in expected
    )


def flat(value, prefix=""):
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list, tuple)):
            yield from flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def check_reading(folder):
    """Every version, partition, container and type, with and without args."""
    axes = dict(kind=["bert", "gpt2"], version=[0, 1, 2, 3], ranks=[1, 2, 4], stages=[1, 2])
    axes |= dict(with_args=[True, False], is_zip=[True, False], dtype=["fp32", "fp16"])
    combinations = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    jobs = []
    for i, options in enumerate(combinations):
        write_checkpoint(folder / f"source-{i}", **options | dict(dtype=DTYPES[options["dtype"]]))
        jobs.append((folder / f"source-{i}", folder / f"target-{i}", dict(numAttentionHeads=HEADS)))
    convert(jobs)
    equal = 0
    for i, options in enumerate(combinations):
        expected = cast(random_model(options["kind"]), DTYPES[options["dtype"]])
        equal += same(load_file(folder / f"target-{i}" / "model.safetensors"), expected)
    print(f"read: {equal} of {len(combinations)} checkpoints have the known weights, bit for bit")
    return equal == len(combinations)


def check_writing(folder):
    """What we write is what Megatron-LM writes: keys, shapes and bits, loaded with weights_only=True."""
    equal, count = 0, 0
    for kind in ("bert", "gpt2"):
        weights = random_model(kind)
        write_checkpoint(folder / f"{kind}-source", kind, 3)
        convert([(folder / f"{kind}-source", folder / f"{kind}-whole", {})])
        for version, ranks, stages in itertools.product([0, 1, 2, 3], [1, 2, 4], [1, 2]):
            target = folder / f"{kind}-{version}-{ranks}-{stages}"
            options = dict(checkpointVersion=version, tensorModelParallelSize=ranks, pipelineModelParallelSize=stages)
            convert([(folder / f"{kind}-whole", target, options | dict(to="megatron"))])
            for rank, number in itertools.product(range(ranks), range(stages)):
                name = f"mp_rank_{rank:02d}" + (f"_{number:03d}" if stages > 1 else "")
                state = torch.load(target / "release" / name / "model_optim_rng.pt", weights_only=True)
                expected = stage(kind, weights, version, rank, ranks, number, stages)
                equal += same(dict(flat(state["model"])), dict(flat(expected)))
                equal += state.get("checkpoint_version", 0) == version
                count += 2
    print(f"written: {equal // 2} of {count // 2} partitions load with weights_only=True and have Megatron-LM's keys and bits")
    return equal == count


def check_training(folder):
    """What Adam goes on from, shared out anew: as PyTorch would have it there."""
    equal, count = 0, 0
    layouts = list(itertools.product([1, 2, 4], [1, 2]))
    for kind, dtype in itertools.product(["bert", "gpt2"], DTYPES):
        for ranks, stages in layouts:
            path = folder / f"training-{kind}-{dtype}-{ranks}-{stages}"
            write_checkpoint(path, kind, 3, ranks, stages, dtype=DTYPES[dtype], with_optimizer=True)
        for source, target in itertools.product(layouts, layouts):
            name = lambda layout: f"training-{kind}-{dtype}-{layout[0]}-{layout[1]}"
            ours = folder / f"{name(source)}-{target[0]}-{target[1]}"
            options = dict(to="megatron", tensorModelParallelSize=target[0], pipelineModelParallelSize=target[1])
            convert([(folder / name(source), ours, options)])
            for file in sorted(ours.rglob("*.pt")):
                found = torch.load(file, weights_only=True)
                theirs = torch.load(folder / name(target) / file.relative_to(ours), weights_only=False)
                parts = [[dict(flat(x[key])) for key in ("model", "optimizer", "lr_scheduler")] for x in (found, theirs)]
                same_keys = [set(x) for x in parts[0]] == [set(x) for x in parts[1]]
                same_values = all(
                    torch.equal(torch.as_tensor(x[key]), torch.as_tensor(y[key])) if not isinstance(y[key], str) else x[key] == y[key]
                    for x, y in zip(*parts)
                    for key in y
                    if y[key] is not None
                )
                equal += same_keys and same_values
                count += 1
    print(f"training: {equal} of {count} partitions, shared out anew, have the optimizer's state that PyTorch gives them")
    return equal == count


def script(wheel, folder, kind):
    package = dict(bert="megatron_bert", gpt2="megatron_gpt2")[kind]
    name = f"convert_{package}_checkpoint"
    path = zipfile.ZipFile(wheel).extract(f"transformers/models/{package}/{name}.py", folder)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config_of(kind):
    """What a user gives that script for a checkpoint without args."""
    if kind == "bert":
        return MegatronBertConfig(
            vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            intermediate_size=4 * HIDDEN, max_position_embeddings=POSITIONS,
        )
    return GPT2Config(
        vocab_size=VOCABULARY, n_positions=POSITIONS, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS, n_inner=4 * HIDDEN
    )


def check_script(wheel, folder):
    """With one partition: our folder, and that of --as-transformers, beside what the script makes."""
    equal, count = 0, 0
    for kind in ("bert", "gpt2"):
        module = script(wheel, folder, kind)
        for version, with_args, is_zip in itertools.product([0, 1, 2, 3], [True, False], [True, False]):
            name = folder / f"script-{kind}-{version}-{with_args}-{is_zip}"
            # transformers' GPT-2 script wants an argument that the first release did not have
            if kind == "gpt2" and version == 0 and with_args:
                continue
            write_checkpoint(name, kind, version, with_args=with_args, is_zip=is_zip, dtype=torch.float16)
            state = torch.load(name / "release" / "mp_rank_00" / "model_optim_rng.pt", weights_only=False)
            config = config_of(kind)
            theirs = module.convert_megatron_checkpoint(None, state, config)
            options = dict(numAttentionHeads=HEADS)
            ours, exact = Path(f"{name}-ours"), Path(f"{name}-exact")
            convert([(name, ours, options), (name, exact, options | dict(asTransformers=True))])
            found = load_file(ours / "model.safetensors")
            without_masks = {key: x for key, x in theirs.items() if not key.endswith((".attn.bias", ".attn.masked_bias"))}
            equal += same(found | {TIED[kind]: found[WORDS[kind]]}, without_masks)
            equal += same(torch.load(exact / "pytorch_model.bin", weights_only=True), theirs)
            count += 2
            if kind == "bert":
                written = json.loads((exact / "config.json").read_text())
                expected = {key: value for key, value in config.to_dict().items() if key in written}
                different = [key for key in expected if written[key] != expected[key] and key != "architectures"]
                equal += not different
                count += 1
    print(f"script: {equal} of {count} results are the same keys and bits, or the same configuration")
    return equal == count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scripts", help="a wheel of transformers 4.40")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [check_reading(folder), check_writing(folder), check_training(folder)]
        if arguments.scripts:
            results.append(check_script(arguments.scripts, folder))
    sys.exit(0 if all(results) else 1)


main()
