"""Loads a LoRA adapter that this package wrote into PEFT, and prints its logits as JSON (see README.md).

check_lora.py ADAPTER MODEL TEXTS.json

TEXTS.json is a list of texts or of pairs of texts. What is printed is a list with, for each, the model's outputs by
name. It exits with 1 where PEFT does not find all of the adapter's tensors, or finds others.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer


def opened(adapter, model):
    """With the labels that the adapter was trained on, where it says which."""
    config = AutoConfig.from_pretrained(adapter if (adapter / "config.json").exists() else model)
    model_class = getattr(transformers, config.architectures[0])
    base = model_class.from_pretrained(model, config=config, ignore_mismatched_sizes=True)
    adapted = PeftModel.from_pretrained(base, adapter)
    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}
    taken = {
        name.replace(".default", "").replace("modules_to_save.", ""): tensor
        for name, tensor in adapted.state_dict().items() if ".default" in name
    }
    if stored.keys() != taken.keys():
        sys.exit(f"expected {sorted(taken)}, found {sorted(stored)}")
    changed = [name for name in stored if not torch.equal(stored[name], taken[name])]
    if changed:
        sys.exit(f"other values: {changed}")
    return adapted.eval()


def main():
    adapter, model, texts = map(Path, sys.argv[1:])
    adapted = opened(adapter, model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    outputs = []
    for text in json.loads(texts.read_text(encoding="utf-8")):
        encoded = tokenizer(*([text] if isinstance(text, str) else text), truncation=True, return_tensors="pt")
        with torch.no_grad():
            output = adapted(**encoded)
        outputs.append({name: value[0].tolist() for name, value in output.items() if torch.is_tensor(value)})
    print(json.dumps(outputs))


main()
