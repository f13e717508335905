"""Writes test/fixtures/gpt2: random GPT-2 models, what transformers computes with them and what it generates (see
README.md). Needs transformers 4.57, the last with head masks."""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, pipeline

import make_model_fixtures as fixtures
from make_generation_fixtures import generations
from make_model_fixtures import cases, class_of, floats, ids, record, right_padding, token_labels

FOLDER = Path(__file__).parent.parent / "test" / "fixtures" / "gpt2"
TOKENIZER = FOLDER.parent / "gpt2-tokenizer" / "plain"
fixtures.MODELS, fixtures.CASES = FOLDER / "models", FOLDER / "cases"
SIZES = dict(vocab_size=40, n_positions=20, n_embd=16, n_layer=2, n_head=4, n_inner=24)
EVERYTHING = dict(output_hidden_states=True, output_attentions=True, use_cache=True)
PLAIN = dict(use_cache=False)


def random_model(class_name, seed, noise=0.2, **fields):
    torch.manual_seed(seed)
    model = class_of(class_name)(GPT2Config(**{**SIZES, "bos_token_id": 3, "eos_token_id": 3, **fields})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * noise)
    return model


def make_model(folder, class_name, seed, save_options=None, dtype=torch.float32, **fields):
    model = random_model(class_name, seed, **fields).to(dtype)
    model.save_pretrained(fixtures.MODELS / folder, **(save_options or {}))


def text(seed, batch=4, length=8):
    return dict(input_ids=ids(seed, batch, length), attention_mask=right_padding(batch, length))


def model_cases():
    make_model("model", "GPT2Model", 1)
    record("model", "GPT2Model", "model", text(2), options=EVERYTHING)
    record("model-positions", "GPT2Model", "model", {**text(3), "position_ids": ids(4, 4, 8, low=0, high=20)},
           options=PLAIN)
    record("model-embeds", "GPT2Model", "model", dict(inputs_embeds=floats(5, 3, 6, 16)), options=PLAIN)
    record("model-head-mask", "GPT2Model", "model",
           {**text(6), "head_mask": torch.tensor([[1.0, 0, 1, 1], [0, 1, 1, 0.25]])}, options=EVERYTHING)
    make_model("pruned", "GPT2Model", 7, pruned_heads={0: [1, 3], 1: [0]})
    record("model-pruned", "GPT2Model", "pruned", text(8), options=PLAIN)


def language_model_cases():
    make_model("lm-head", "GPT2LMHeadModel", 10)
    labels = token_labels(11, 4, 8, 40)
    head = "GPT2LMHeadModel"
    record("lm-head", head, "lm-head", text(12), options=EVERYTHING)
    record("lm-head-one-token", head, "lm-head", dict(input_ids=ids(13, 2, 1)), options=PLAIN)
    record("lm-head-longest", head, "lm-head", dict(input_ids=ids(14, 2, 20)), options=PLAIN)
    record("lm-head-loss", head, "lm-head", {**text(15), "labels": labels}, options=PLAIN, gradients=True)
    for name, config in (
        ("unscaled", dict(scale_attn_weights=False)),
        ("inverse-layer", dict(scale_attn_by_inverse_layer_idx=True)),
        ("upcast", dict(scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True)),
        ("relu", dict(activation_function="relu")),
        ("epsilon", dict(layer_norm_epsilon=0.1)),
    ):
        record(f"lm-head-{name}", head, "lm-head", {**text(16), "labels": labels}, config=config, options=PLAIN,
               gradients=["transformer.h.1.attn.c_attn.weight", "transformer.wte.weight"])
    make_model("untied", head, 17, tie_word_embeddings=False, n_inner=None)
    record("lm-head-untied", head, "untied", {**text(18), "labels": labels}, options=PLAIN, gradients=True)
    continue_with_cache("lm-head", (1, 3))


def continue_with_cache(folder, counts):
    model = class_of("GPT2LMHeadModel").from_pretrained(fixtures.MODELS / folder, attn_implementation="eager").eval()
    for count in counts:
        # padded on the left
        whole = text(19, batch=3, length=6 + count)
        mask = whole["attention_mask"].flip(1)
        with torch.no_grad():
            past = model(input_ids=whole["input_ids"][:, :6], attention_mask=mask[:, :6], use_cache=True).past_key_values
        record(f"{folder}-cache-{count}", "GPT2LMHeadModel", folder,
               dict(input_ids=whole["input_ids"][:, 6:], attention_mask=mask, past_key_values=past),
               options=dict(use_cache=True))


def classification_cases():
    classify = "GPT2ForSequenceClassification"
    make_model("classification", classify, 30, num_labels=3, pad_token_id=0)
    padded = text(31)
    padded["input_ids"] *= padded["attention_mask"]
    record("classification", classify, "classification", padded, options=PLAIN)
    record("classification-left-padding", classify, "classification",
           {key: value.flip(1) for key, value in padded.items()}, options=PLAIN)
    record("classification-no-mask", classify, "classification", dict(input_ids=padded["input_ids"]), options=PLAIN)
    record("classification-one", classify, "classification", dict(input_ids=ids(32, 1, 5)),
           config=dict(pad_token_id=None), options=PLAIN)
    record("classification-loss", classify, "classification", {**padded, "labels": ids(33, 4, low=0, high=3)},
           options=PLAIN, gradients=True)
    record("classification-regression", classify, "classification", {**padded, "labels": floats(34, 4, 3)},
           config=dict(problem_type="regression"), options=PLAIN, gradients=True)


def storage_cases():
    for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
        make_model(name, "GPT2LMHeadModel", 40, dtype=dtype)
        record(f"stored-{name}", "GPT2LMHeadModel", name, text(41), options=PLAIN)
    make_model("sharded", "GPT2LMHeadModel", 42, save_options=dict(max_shard_size="8KB"))
    record("stored-sharded", "GPT2LMHeadModel", "sharded", text(43), options=PLAIN)
    record("body-of-a-head", "GPT2Model", "lm-head", text(44), options=PLAIN)
    make_model("old", "GPT2Model", 45, save_options=dict(safe_serialization=False))
    # as the first checkpoints have it: no prefix, and the masks of each layer beside the weights
    file = fixtures.MODELS / "old" / "pytorch_model.bin"
    weights = torch.load(file)
    mask = torch.tril(torch.ones(20, 20, dtype=torch.uint8)).view(1, 1, 20, 20)
    for layer in range(2):
        weights[f"h.{layer}.attn.bias"], weights[f"h.{layer}.attn.masked_bias"] = mask, torch.tensor(-1e4)
    torch.save(weights, file)
    record("stored-old", "GPT2LMHeadModel", "old", text(46), options=PLAIN)


def generation():
    model = random_model("GPT2LMHeadModel", 50, noise=0.4, n_positions=64, eos_token_id=21)
    model.save_pretrained(FOLDER / "generation")
    return generations(model)


def texts():
    """What the pipeline goes on with, by a model of the tokens of test/fixtures/gpt2-tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    model = random_model("GPT2LMHeadModel", 60, noise=0.4, n_positions=64, vocab_size=1000,
                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(FOLDER / "text")
    generate = pipeline("text-generation", model=model, tokenizer=tokenizer, device="cpu")
    prompts = ["Call me Ishmael.", " The old  captain's", "Über dem Meer – 海 🐋", "It was 1851, and"]
    runs = []
    for options in (dict(), dict(return_full_text=False), dict(num_beams=3, num_return_sequences=2)):
        found = [generate(prompt, do_sample=False, max_new_tokens=12, **options) for prompt in prompts]
        runs.append(dict(options={"max_new_tokens": 12, **options}, outputs=found))
    return dict(prompts=prompts, runs=runs)


def main():
    if not transformers.__version__.startswith("4.57"):
        sys.exit(f"expected transformers 4.57, found {transformers.__version__}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    for folder in (fixtures.MODELS, fixtures.CASES):
        folder.mkdir(parents=True)
    model_cases()
    language_model_cases()
    classification_cases()
    storage_cases()
    versions = dict(transformers=transformers.__version__, torch=torch.__version__)
    (fixtures.CASES / "cases.json").write_text(json.dumps(dict(**versions, cases=cases), indent=1) + "\n")
    (FOLDER / "generation.json").write_text(json.dumps(generation()) + "\n")
    (FOLDER / "texts.json").write_text(json.dumps(texts(), ensure_ascii=False, indent=1) + "\n")
    for leftover in FOLDER.rglob("generation_config.json"):
        leftover.unlink()
    print(f"{len(cases)} cases, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
