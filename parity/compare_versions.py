"""Runs the cases of test/fixtures/cases in the installed transformers, where it has what they need, and prints the
largest difference to the fixtures."""

import inspect
import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import MegatronBertConfig

FIXTURES = Path(__file__).parent.parent / "test" / "fixtures"
CASES = json.loads((FIXTURES / "cases" / "cases.json").read_text())
torch.set_num_threads(1)


def reason_to_skip(case, inputs, accepted):
    config = json.loads((FIXTURES / "models" / case["model"] / "config.json").read_text())
    if config.get("position_embedding_type", "absolute") != "absolute" and not hasattr(
        MegatronBertConfig(), "position_embedding_type"
    ):
        return "relative positions"
    if any(name.startswith("past_key_values") for name in inputs):
        return "a cache as tensors"
    unknown = [name for name in inputs if name not in accepted]
    if unknown:
        return ", ".join(unknown)
    if inputs.get("attention_mask", torch.ones(1, 1)).dim() == 3 and "MultipleChoice" not in case["class"]:
        return "a mask of three dimensions"
    return None


def prepared(inputs):
    return {key: value.long() if value.dtype == torch.int32 else value for key, value in inputs.items()}


def difference(case):
    tensors = load_file(FIXTURES / "cases" / f"{case['name']}.safetensors")
    inputs = {key[6:]: value for key, value in tensors.items() if key.startswith("input.")}
    model_class = getattr(transformers, case["class"])
    skipped = reason_to_skip(case, inputs, inspect.signature(model_class.forward).parameters)
    if skipped:
        return skipped, None
    options = dict(case["options"])
    constructor = {key: options.pop(key) for key in ("add_pooling_layer",) if key in options}
    model = model_class.from_pretrained(
        FIXTURES / "models" / case["model"], dtype=torch.float32, attn_implementation="eager", **constructor,
        **case["config"],
    ).eval()
    with torch.no_grad():
        outputs = model(**prepared(inputs), **options, return_dict=True)
    worst = 0.0
    for key, value in outputs.items():
        values = {f"output.{key}": value} if torch.is_tensor(value) else {}
        if isinstance(value, tuple):
            values = {f"output.{key}.{i}": tensor for i, tensor in enumerate(value)}
        for name, tensor in values.items():
            worst = max(worst, (tensor.float() - tensors[name]).abs().max().item())
    return None, worst


def main():
    print(f"transformers {transformers.__version__} against the fixtures of {CASES['transformers']}")
    found = []
    for case in CASES["cases"]:
        try:
            skipped, worst = difference(case)
        except Exception as error:  # a version may refuse what another takes: that is what is asked here
            skipped, worst = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}", None
        print(f"{case['name']}: " + (f"left out ({skipped})" if skipped else f"{worst:.1e}"))
        if worst is not None:
            found.append(worst)
    print(f"{len(found)} cases compared, largest difference {max(found):.1e}")


main()
