"""Loads a model folder written by this package with transformers and fails unless it is a perfect fit.

Every key must match, the tokenizer must load, and, where inputs and logits are given, transformers' logits must equal
those in the file to within 1e-4. Exit code 0: all of it holds; 1: something does not.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForPreTraining, AutoTokenizer

LARGEST_DIFFERENCE = 1e-4
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
LOGIT_NAMES = {"megatron-bert": ("prediction_logits", "seq_relationship_logits"), "gpt2": ("logits",)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="config.json, model.safetensors and the tokenizer's files")
    parser.add_argument("--inputs", type=Path, help=f"safetensors file with {', '.join(INPUT_NAMES)} [B, S]")
    parser.add_argument("--logits", type=Path, help="safetensors file with the logits, by transformers' names")
    arguments = parser.parse_args()
    if (arguments.inputs is None) != (arguments.logits is None):
        parser.error("--inputs and --logits go together")
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is not a folder")
    return arguments


def load_matching_model(folder):
    model, report = AutoModelForPreTraining.from_pretrained(folder, output_loading_info=True)
    problems = {kind: found for kind, found in report.items() if found}
    if problems:
        sys.exit(f"{folder}: the keys do not match: {problems}")
    return model.eval()


def load_tokenizer(folder, model):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if len(tokenizer) > model.config.vocab_size:
        sys.exit(f"{folder}: {len(tokenizer)} tokens, but the model has rows for {model.config.vocab_size}")
    return tokenizer


def compare_logits(model, inputs_path, logits_path):
    stored_inputs = load_file(inputs_path)
    inputs = {name: stored_inputs[name].long() for name in INPUT_NAMES if name in stored_inputs}
    expected = load_file(logits_path)
    with torch.no_grad():
        output = model(**inputs)
    failures = []
    for name in LOGIT_NAMES[model.config.model_type]:
        ours, theirs = expected[name], output[name]
        if ours.shape != theirs.shape:
            failures.append(f"{name}: shape {list(ours.shape)}, transformers gives {list(theirs.shape)}")
            continue
        difference = (ours - theirs).abs().max().item()
        print(f"{name}: maximal absolute difference {difference:.3e}")
        if not difference <= LARGEST_DIFFERENCE:  # a NaN fails too
            failures.append(f"{name}: the difference {difference:.3e} exceeds {LARGEST_DIFFERENCE}")
    if failures:
        sys.exit("\n".join(failures))


def main():
    arguments = parse_arguments()
    model = load_matching_model(arguments.folder)
    tokenizer = load_tokenizer(arguments.folder, model)
    print(f"{arguments.folder}: every key matched; {type(tokenizer).__name__} with {len(tokenizer)} tokens")
    if arguments.inputs is not None:
        compare_logits(model, arguments.inputs, arguments.logits)


if __name__ == "__main__":
    main()
