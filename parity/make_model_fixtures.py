"""Writes test/fixtures/models and test/fixtures/cases: random models of the nine classes, and what transformers
computes with them under every option (see README.md). Needs transformers 4.57, the last with relative positions and
head masks."""

import copy
import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import MegatronBertConfig

FIXTURES = Path(__file__).parent.parent / "test" / "fixtures"
MODELS, CASES = FIXTURES / "models", FIXTURES / "cases"
SIZES = dict(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
    max_position_embeddings=20, type_vocab_size=2, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
)
ACTIVATIONS = [
    "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "gelu_accurate", "gelu_10", "quick_gelu", "relu",
    "relu2", "relu6", "leaky_relu", "silu", "swish", "mish", "sigmoid", "tanh", "linear", "laplace",
]
torch.set_num_threads(1)
cases = []


def class_of(name):
    return getattr(transformers, name)


def make_model(folder, class_name, seed, save_options=None, dtype=None, **fields):
    torch.manual_seed(seed)
    model = class_of(class_name)(MegatronBertConfig(**{**SIZES, **fields})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    if dtype is not None:
        model = model.to(dtype)
    model.save_pretrained(MODELS / folder, **(save_options or {}))


def nested(name, value):
    """Tuples of tensors as named tensors."""
    if value is None or isinstance(value, (str, bool)):
        return {}
    if torch.is_tensor(value):
        return {name: value.detach().float()}
    if name == "past_key_values":
        pairs = value.to_legacy_cache()
        parts = ["key", "value", "cross_key", "cross_value"]
        return {
            f"{name}.{i}.{part}": tensor.detach()
            for i, layer in enumerate(pairs)
            for part, tensor in zip(parts, layer)
            if tensor is not None
        }
    return {f"{name}.{i}": tensor.detach() for i, tensor in enumerate(value)}


def record(name, class_name, folder, inputs, config=None, options=None, gradients=False):
    """Runs transformers on a case and writes what went in and what came out."""
    options, config = options or {}, config or {}
    constructor = {key: options[key] for key in ("add_pooling_layer",) if key in options}
    model = class_of(class_name).from_pretrained(
        MODELS / folder, torch_dtype=torch.float32, attn_implementation="eager", **constructor, **config
    ).eval()
    arguments = {key: value for key, value in options.items() if key not in constructor}
    # a model adds to the cache that it is given
    outputs = model(**copy.deepcopy(inputs), **arguments, return_dict=True)
    tensors = {}
    for key, value in outputs.items():
        tensors.update({f"output.{part}": tensor for part, tensor in nested(key, value).items()})
    for key, value in inputs.items():
        for part, tensor in nested(key, value).items():
            source = tensor if key == "past_key_values" else value
            tensors[f"input.{part}"] = source.float() if source.is_floating_point() else source.int()
    if gradients:
        outputs.loss.backward()
        wanted = gradients if isinstance(gradients, list) else None
        for key, parameter in model.named_parameters():
            if parameter.grad is not None and (wanted is None or key in wanted):
                tensors[f"gradient.{key}"] = parameter.grad
    save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, CASES / f"{name}.safetensors")
    cases.append(dict(name=name, **{"class": class_name}, model=folder, config=config, options=options))
    return outputs


def ids(seed, *shape, low=5, high=None):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high or SIZES["vocab_size"], shape, generator=generator)


def right_padding(batch, length):
    return (torch.arange(length)[None, :] < length - torch.arange(batch)[:, None] % length).long()


def text(seed, batch=5, length=8, padding="right"):
    mask = right_padding(batch, length)
    return dict(
        input_ids=ids(seed, batch, length),
        token_type_ids=(torch.arange(length) > length // 2).long().repeat(batch, 1),
        attention_mask=mask.flip(1) if padding == "left" else mask,
    )


def floats(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def token_labels(seed, batch, length, classes):
    labels = ids(seed, batch, length, low=0, high=classes)
    labels[:, ::3] = -100
    labels[1 % batch, :] = -100
    return labels


def triangle(batch, length):
    """A mask of three dimensions: each token sees itself and two before it."""
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    return ((distance >= 0) & (distance <= 2)).long().repeat(batch, 1, 1)


def base_cases():
    make_model("model", "MegatronBertModel", 1)
    everything = dict(output_hidden_states=True, output_attentions=True)
    record("model", "MegatronBertModel", "model", text(1))
    record("model-batch-1", "MegatronBertModel", "model", dict(input_ids=ids(2, 1, 6)))
    record("model-one-token", "MegatronBertModel", "model", dict(input_ids=ids(2, 2, 1)))
    record("model-longest", "MegatronBertModel", "model", dict(input_ids=ids(2, 2, 20)))
    record("model-left-padding", "MegatronBertModel", "model", text(3, padding="left"))
    record("model-3d-mask", "MegatronBertModel", "model", {**text(4), "attention_mask": triangle(5, 8)})
    record("model-positions", "MegatronBertModel", "model", {**text(5), "position_ids": ids(6, 5, 8, low=0, high=20)})
    record("model-embeds", "MegatronBertModel", "model", dict(inputs_embeds=floats(7, 3, 6, 16)))
    record("model-everything", "MegatronBertModel", "model", text(8), options=everything)
    record("model-head-mask", "MegatronBertModel", "model",
           {**text(9), "head_mask": torch.tensor([1.0, 0.0, 1.0, 0.5])}, options=everything)
    record("model-head-masks", "MegatronBertModel", "model",
           {**text(10), "head_mask": torch.tensor([[1.0, 0, 1, 1], [0, 1, 1, 0.25]])}, options=everything)
    record("model-no-pooler", "MegatronBertModel", "model", text(11), options=dict(add_pooling_layer=False))
    make_model("pruned", "MegatronBertModel", 13, pruned_heads={0: [1, 3], 1: [0]})
    record("model-pruned", "MegatronBertModel", "pruned", text(14), options=everything)
    masked_row = text(12)
    masked_row["attention_mask"][2] = 0
    record("model-nothing-to-see", "MegatronBertModel", "model", masked_row)


def language_model_cases():
    make_model("masked-lm", "MegatronBertForMaskedLM", 20)
    make_model("pretraining", "MegatronBertForPreTraining", 21)
    make_model("untied", "MegatronBertForMaskedLM", 22, tie_word_embeddings=False)
    labels = token_labels(23, 5, 8, 40)
    record("masked-lm", "MegatronBertForMaskedLM", "masked-lm", text(24))
    record("masked-lm-loss", "MegatronBertForMaskedLM", "masked-lm", {**text(24), "labels": labels}, gradients=True)
    record("masked-lm-causal", "MegatronBertForMaskedLM", "masked-lm", text(24), config=dict(is_decoder=True))
    record("masked-lm-untied", "MegatronBertForMaskedLM", "untied", {**text(25), "labels": labels}, gradients=True)
    record("pretraining", "MegatronBertForPreTraining", "pretraining", text(26))
    record("pretraining-one-label", "MegatronBertForPreTraining", "pretraining", {**text(26), "labels": labels})
    record("pretraining-loss", "MegatronBertForPreTraining", "pretraining",
           {**text(26), "labels": labels, "next_sentence_label": ids(27, 5, low=0, high=2)}, gradients=True)
    for activation in ACTIVATIONS:
        record(f"activation-{activation}", "MegatronBertForMaskedLM", "masked-lm", {**text(28), "labels": labels},
               config=dict(hidden_act=activation),
               gradients=["bert.encoder.layer.0.intermediate.dense.weight", "cls.predictions.transform.dense.bias"])
    for kind in ("relative_key", "relative_key_query"):
        folder = kind.replace("_", "-")
        make_model(folder, "MegatronBertForMaskedLM", 29, position_embedding_type=kind)
        record(folder, "MegatronBertForMaskedLM", folder, text(30), options=dict(output_attentions=True))
        record(f"{folder}-loss", "MegatronBertForMaskedLM", folder, {**text(30), "labels": labels}, gradients=True)


def decoder_cases():
    make_model("causal-lm", "MegatronBertForCausalLM", 40)
    decoder, cached = dict(is_decoder=True), dict(use_cache=True)
    labels = token_labels(41, 5, 8, 40)
    record("causal-lm-bidirectional", "MegatronBertForCausalLM", "causal-lm", text(42))
    record("causal-lm", "MegatronBertForCausalLM", "causal-lm", text(42), config=decoder, options=cached)
    record("causal-lm-left-padding", "MegatronBertForCausalLM", "causal-lm", text(43, padding="left"), config=decoder,
           options=dict(use_cache=False, output_attentions=True))
    record("causal-lm-3d-mask", "MegatronBertForCausalLM", "causal-lm",
           {**text(44), "attention_mask": triangle(5, 8)}, config=decoder, options=dict(use_cache=False))
    record("causal-lm-loss", "MegatronBertForCausalLM", "causal-lm", {**text(45), "labels": labels}, config=decoder,
           gradients=True)
    continue_with_cache("causal-lm", "causal-lm", decoder, (1, 3))
    make_model("decoder-relative", "MegatronBertForCausalLM", 46, position_embedding_type="relative_key_query",
               is_decoder=True)
    record("decoder-relative", "MegatronBertForCausalLM", "decoder-relative", text(47), options=dict(use_cache=False))
    cross_attention_cases()


def continue_with_cache(name, folder, config, counts, **context):
    model = class_of("MegatronBertForCausalLM").from_pretrained(MODELS / folder, **config).eval()
    for count in counts:
        whole = text(48, batch=3, length=6 + count, padding="left")
        first = {key: value[:, :6] for key, value in whole.items()}
        with torch.no_grad():
            past = model(**first, **context, use_cache=True).past_key_values
        rest = {key: value[:, 6:] for key, value in whole.items()}
        record(f"{name}-cache-{count}", "MegatronBertForCausalLM", folder,
               {**rest, "attention_mask": whole["attention_mask"], "past_key_values": past, **context},
               config=config, options=dict(use_cache=True))


def cross_attention_cases():
    make_model("decoder-cross", "MegatronBertForCausalLM", 50, is_decoder=True, add_cross_attention=True)
    encoder = dict(encoder_hidden_states=floats(51, 5, 7, 16), encoder_attention_mask=right_padding(5, 7))
    record("cross-attention", "MegatronBertForCausalLM", "decoder-cross", {**text(52), **encoder},
           options=dict(use_cache=True, output_attentions=True, output_hidden_states=True))
    record("cross-attention-no-mask", "MegatronBertForCausalLM", "decoder-cross",
           {**text(52), "encoder_hidden_states": floats(53, 5, 4, 16)}, options=dict(use_cache=False))
    record("cross-attention-loss", "MegatronBertForCausalLM", "decoder-cross",
           {**text(54), **encoder, "labels": token_labels(55, 5, 8, 40)}, gradients=True)
    record("cross-attention-none", "MegatronBertForCausalLM", "decoder-cross", text(52), options=dict(use_cache=False))
    few = {key: value[:3] for key, value in encoder.items()}
    continue_with_cache("cross-attention", "decoder-cross", {}, (1,), **few)


def task_cases():
    make_model("next-sentence", "MegatronBertForNextSentencePrediction", 60)
    record("next-sentence", "MegatronBertForNextSentencePrediction", "next-sentence", text(61))
    record("next-sentence-loss", "MegatronBertForNextSentencePrediction", "next-sentence",
           {**text(61), "labels": ids(62, 5, low=0, high=2)}, gradients=True)

    make_model("classification", "MegatronBertForSequenceClassification", 63, num_labels=3)
    make_model("regression", "MegatronBertForSequenceClassification", 64, num_labels=1)
    classify = "MegatronBertForSequenceClassification"
    record("classification", classify, "classification", text(65), options=dict(output_hidden_states=True))
    record("classification-batch-1", classify, "classification", text(66, batch=1, length=5))
    record("classification-loss", classify, "classification",
           {**text(65), "labels": ids(67, 5, low=0, high=3)}, gradients=True)
    record("classification-multi-label", classify, "classification",
           {**text(65), "labels": (floats(68, 5, 3) > 0).float()}, gradients=True)
    record("classification-regression", classify, "classification", {**text(65), "labels": floats(69, 5, 3)},
           config=dict(problem_type="regression"), gradients=True)
    record("regression-loss", classify, "regression", {**text(65), "labels": floats(70, 5)}, gradients=True)

    make_model("multiple-choice", "MegatronBertForMultipleChoice", 71)
    for choices in (3, 4):
        inputs = {key: value.reshape(2, choices, 6) for key, value in text(72, batch=2 * choices, length=6).items()}
        record(f"multiple-choice-{choices}", "MegatronBertForMultipleChoice", "multiple-choice", inputs)
        record(f"multiple-choice-{choices}-loss", "MegatronBertForMultipleChoice", "multiple-choice",
               {**inputs, "labels": ids(73, 2, low=0, high=choices)}, gradients=choices == 4)

    make_model("token-classification", "MegatronBertForTokenClassification", 74, num_labels=5)
    tag = "MegatronBertForTokenClassification"
    record("token-classification", tag, "token-classification", text(75))
    record("token-classification-loss", tag, "token-classification",
           {**text(75), "labels": token_labels(76, 5, 8, 5)}, gradients=True)

    make_model("question-answering", "MegatronBertForQuestionAnswering", 77)
    answer = "MegatronBertForQuestionAnswering"
    record("question-answering", answer, "question-answering", text(78))
    record("question-answering-loss", answer, "question-answering",
           {**text(78), "start_positions": ids(79, 5, low=0, high=8), "end_positions": ids(80, 5, low=0, high=8)},
           gradients=True)
    record("question-answering-outside", answer, "question-answering",
           {**text(78), "start_positions": torch.tensor([0, 8, 30, -4, 2]),
            "end_positions": torch.tensor([3, 9, 30, 1, 7])}, gradients=True)


def storage_cases():
    for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
        make_model(name, "MegatronBertForTokenClassification", 90, dtype=dtype, num_labels=5)
        record(f"stored-{name}", "MegatronBertForTokenClassification", name, text(91))
    make_model("sharded", "MegatronBertForPreTraining", 92, save_options=dict(max_shard_size="12KB"))
    record("stored-sharded", "MegatronBertForPreTraining", "sharded", text(93))
    make_model("pytorch-bin", "MegatronBertForMaskedLM", 94, save_options=dict(safe_serialization=False))
    record("stored-pytorch-bin", "MegatronBertForMaskedLM", "pytorch-bin", text(95))


def main():
    if not transformers.__version__.startswith("4.57"):
        sys.exit(f"expected transformers 4.57, found {transformers.__version__}")
    for folder in (MODELS, CASES):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    base_cases()
    language_model_cases()
    decoder_cases()
    task_cases()
    storage_cases()
    for leftover in MODELS.glob("*/generation_config.json"):
        leftover.unlink()
    versions = dict(transformers=transformers.__version__, torch=torch.__version__)
    (CASES / "cases.json").write_text(json.dumps(dict(**versions, cases=cases), indent=1) + "\n")
    print(f"{len(cases)} cases, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
