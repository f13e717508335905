"""Megatron-LM's checkpoints of small models with known weights, written with PyTorch as its releases write them.
Nothing here is shared with the converter: the layouts are spelled out again from Megatron-LM's own modules."""

import argparse
from collections import OrderedDict
from pathlib import Path

import torch

LAYERS, HIDDEN, HEADS, POSITIONS, VOCABULARY = 2, 8, 4, 4, 16
FFN = 4 * HIDDEN


def random_model(kind, seed=0):
    """The whole model by transformers' names. All numbers are exact in fp16."""
    generator = torch.Generator().manual_seed(seed)
    tensor = lambda *shape: torch.randn(*shape, generator=generator).half().float()
    linear = lambda name, out, inputs: {f"{name}.weight": tensor(out, inputs), f"{name}.bias": tensor(out)}
    norm = lambda name: {f"{name}.weight": tensor(HIDDEN), f"{name}.bias": tensor(HIDDEN)}
    if kind == "gpt2":
        weights = {"transformer.wte.weight": tensor(VOCABULARY, HIDDEN), "transformer.wpe.weight": tensor(POSITIONS, HIDDEN)}
        for i in range(LAYERS):
            layer = f"transformer.h.{i}"
            # transformers keeps GPT-2's matrices as [in, out]
            conv = lambda name, out, inputs: {f"{name}.weight": tensor(inputs, out), f"{name}.bias": tensor(out)}
            weights |= norm(f"{layer}.ln_1") | conv(f"{layer}.attn.c_attn", 3 * HIDDEN, HIDDEN)
            weights |= conv(f"{layer}.attn.c_proj", HIDDEN, HIDDEN) | norm(f"{layer}.ln_2")
            weights |= conv(f"{layer}.mlp.c_fc", FFN, HIDDEN) | conv(f"{layer}.mlp.c_proj", HIDDEN, FFN)
        return weights | norm("transformer.ln_f")
    weights = {
        "bert.embeddings.word_embeddings.weight": tensor(VOCABULARY, HIDDEN),
        "bert.embeddings.position_embeddings.weight": tensor(POSITIONS, HIDDEN),
        "bert.embeddings.token_type_embeddings.weight": tensor(2, HIDDEN),
    }
    for i in range(LAYERS):
        layer = f"bert.encoder.layer.{i}"
        weights |= norm(f"{layer}.attention.ln")
        for part in ("query", "key", "value"):
            weights |= linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        weights |= linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN) | norm(f"{layer}.ln")
        weights |= linear(f"{layer}.intermediate.dense", FFN, HIDDEN) | linear(f"{layer}.output.dense", HIDDEN, FFN)
    weights |= norm("bert.encoder.ln") | linear("bert.pooler.dense", HIDDEN, HIDDEN)
    weights |= linear("cls.predictions.transform.dense", HIDDEN, HIDDEN) | norm("cls.predictions.transform.LayerNorm")
    return weights | {"cls.predictions.bias": tensor(VOCABULARY)} | linear("cls.seq_relationship", 2, HIDDEN)


def fused(query, key, value, version, rank, ranks):
    """One rank's rows of the fused matrix or bias, in the order of the version."""
    per_head = [part.chunk(ranks)[rank].reshape(HEADS // ranks, HIDDEN // HEADS, -1) for part in (query, key, value)]
    stacked = torch.stack(per_head)  # [3, heads, head size, columns]
    order = {0: (0, 1, 2, 3), 1: (1, 2, 0, 3), 2: (1, 0, 2, 3), 3: (1, 0, 2, 3)}[version]
    return stacked.permute(order).reshape(-1, *query.shape[1:]).contiguous()


def stage(kind, weights, version, rank, ranks, number, stages):
    """The `model` entry of one rank."""
    rows = lambda x: x.chunk(ranks, 0)[rank].contiguous()
    columns = lambda x: x.chunk(ranks, 1)[rank].contiguous()
    new = version >= 3
    attention = "self_attention" if new else "attention"
    first, last = number == 0, number == stages - 1
    word = rows(weights["transformer.wte.weight" if kind == "gpt2" else "bert.embeddings.word_embeddings.weight"])
    encoder = OrderedDict()
    per_stage = LAYERS // stages
    for local in range(per_stage):
        i = number * per_stage + local
        if kind == "gpt2":
            get = lambda name: weights[f"transformer.h.{i}.{name}"]
            turned = lambda name: get(name).T
            norms, dense, up, down = ("ln_1", "ln_2"), "attn.c_proj", "mlp.c_fc", "mlp.c_proj"
            qkv = [torch.split(turned("attn.c_attn.weight"), HIDDEN), torch.split(get("attn.c_attn.bias"), HIDDEN)]
        else:
            get = turned = lambda name: weights[f"bert.encoder.layer.{i}.{name}"]
            norms, dense, up, down = ("attention.ln", "ln"), "attention.output.dense", "intermediate.dense", "output.dense"
            parts = [f"attention.self.{part}" for part in ("query", "key", "value")]
            qkv = [[get(f"{part}.{kind_}") for part in parts] for kind_ in ("weight", "bias")]
        entries = {
            "input_layernorm.weight": get(f"{norms[0]}.weight"),
            "input_layernorm.bias": get(f"{norms[0]}.bias"),
            f"{attention}.query_key_value.weight": fused(*qkv[0], version, rank, ranks),
            f"{attention}.query_key_value.bias": fused(*qkv[1], version, rank, ranks),
            f"{attention}.dense.weight": columns(turned(f"{dense}.weight")),
            f"{attention}.dense.bias": get(f"{dense}.bias"),
            "post_attention_layernorm.weight": get(f"{norms[1]}.weight"),
            "post_attention_layernorm.bias": get(f"{norms[1]}.bias"),
            "mlp.dense_h_to_4h.weight": rows(turned(f"{up}.weight")),
            "mlp.dense_h_to_4h.bias": rows(get(f"{up}.bias")),
            "mlp.dense_4h_to_h.weight": columns(turned(f"{down}.weight")),
            "mlp.dense_4h_to_h.bias": get(f"{down}.bias"),
        }
        encoder.update({f"layers.{local}.{name}": value for name, value in entries.items()})
    body = "transformer.ln_f" if kind == "gpt2" else "bert.encoder.ln"
    if last:
        encoder["final_layernorm.weight"] = weights[f"{body}.weight"]
        encoder["final_layernorm.bias"] = weights[f"{body}.bias"]
    language_model = OrderedDict()
    if first:
        prefix = "transformer.wpe" if kind == "gpt2" else "bert.embeddings.position_embeddings"
        language_model["embedding"] = OrderedDict(
            word_embeddings=OrderedDict(weight=word),
            position_embeddings=OrderedDict(weight=weights[f"{prefix}.weight"]),
        )
        if kind == "bert":
            types = weights["bert.embeddings.token_type_embeddings.weight"]
            language_model["embedding"]["tokentype_embeddings"] = OrderedDict(weight=types)
    language_model["encoder" if new else "transformer"] = encoder
    model = OrderedDict(language_model=language_model)
    if kind == "bert" and last:
        pair = lambda name: {f"{k}": weights[f"{name}.{k}"] for k in ("weight", "bias")}
        language_model["pooler"] = OrderedDict({f"dense.{k}": v for k, v in pair("bert.pooler.dense").items()})
        head = "cls.predictions.transform"
        model["lm_head"] = OrderedDict(
            {"bias": rows(weights["cls.predictions.bias"])}
            | {f"dense.{k}": v for k, v in pair(f"{head}.dense").items()}
            | {f"layernorm.{k}": v for k, v in pair(f"{head}.LayerNorm").items()}
        )
        model["binary_head"] = OrderedDict(pair("cls.seq_relationship"))
    if last and stages > 1:
        model["word_embeddings_for_head"] = OrderedDict(weight=word)
    return model


def arguments(kind, version, ranks, stages):
    tokenizer = "BertWordPieceLowerCase" if kind == "bert" else "GPT2BPETokenizer"
    fields = dict(num_layers=LAYERS, hidden_size=HIDDEN, num_attention_heads=HEADS, max_position_embeddings=POSITIONS)
    fields |= dict(padded_vocab_size=VOCABULARY, make_vocab_size_divisible_by=4, tokenizer_type=tokenizer)
    fields |= dict(hidden_dropout=0.1, attention_dropout=0.1, openai_gelu=False, layernorm_epsilon=1e-5, params_dtype=torch.half)
    if version == 0:
        return argparse.Namespace(**fields, model_parallel_size=ranks)
    more = dict(ffn_hidden_size=FFN, kv_channels=HIDDEN // HEADS, bias_gelu_fusion=True)
    return argparse.Namespace(**fields, **more, tensor_model_parallel_size=ranks, pipeline_model_parallel_size=stages)


def cast(value, dtype):
    if isinstance(value, torch.Tensor):
        return value.to(dtype)
    return type(value)((key, cast(item, dtype)) for key, item in value.items()) if isinstance(value, dict) else value


def modules(kind, version, last, several, layers):
    """The parameters of one rank as Megatron-LM's modules hold them: [path in the model, parameter of a layer norm?]"""
    affine = lambda *path, norm=False: [((*path, k), norm) for k in ("weight", "bias")]
    flat = lambda group, name, norm=False: [(("language_model", group, f"{name}.{k}"), norm) for k in ("weight", "bias")]
    encoder, attention = ("encoder", "self_attention") if version >= 3 else ("transformer", "attention")
    first = last and not several or not last
    embeddings = ["word_embeddings", "position_embeddings"] + (["tokentype_embeddings"] if kind == "bert" else [])
    order = [(("language_model", "embedding", name, "weight"), False) for name in embeddings] if first else []
    for i in range(layers):
        for name in ("input_layernorm", f"{attention}.query_key_value", f"{attention}.dense"):
            order += flat(encoder, f"layers.{i}.{name}", norm="layernorm" in name)
        for name in ("post_attention_layernorm", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"):
            order += flat(encoder, f"layers.{i}.{name}", norm="layernorm" in name)
    if last:
        order += flat(encoder, "final_layernorm", norm=True)
        order += flat("pooler", "dense") if kind == "bert" else []
        order += [(("word_embeddings_for_head", "weight"), False)] if several else []
    if last and kind == "bert":
        order += [(("lm_head", "bias"), False)]
        order += [(("lm_head", f"{name}.{k}"), name == "layernorm") for name in ("dense", "layernorm") for k in ("weight", "bias")]
        order += affine("binary_head")
    return order


def optimizer_state(model, kind, version, last, several, layers, dtype):
    """Adam's state after some steps, as `save_checkpoint` of 2.5 stores it. Moments are functions of the weights, so
    that any part of them can be told."""
    decayed, others = [], []
    for path, norm in modules(kind, version, last, several, layers):
        parameter = model
        for key in path:
            parameter = parameter[key]
        is_other = norm or path[-1].split(".")[-1] == "bias"
        (others if is_other else decayed).append(torch.nn.Parameter(parameter.float().clone()))
    adam = torch.optim.AdamW([dict(params=decayed), dict(params=others, weight_decay=0.0)], lr=1e-4)
    before = [[p.detach().clone() for p in group] for group in (decayed, others)]
    sum((p * 0).sum() for p in decayed + others).backward()
    adam.step()
    state = adam.state_dict()
    for i, weights in enumerate(before[0] + before[1]):
        state["state"][i] |= dict(exp_avg=2 * weights, exp_avg_sq=weights**2, step=torch.tensor(7.0))
    if dtype == torch.float32:
        return state
    # as apex counts: steps belong to groups
    for entry in state["state"].values():
        del entry["step"]
    for group in state["param_groups"]:
        group["step"] = 7
    masters = [[weights + 2.0**-14 for weights in group] for group in before]
    scaler = dict(scale=65536.0, growth_tracker=3, hysteresis_tracker=2)
    return dict(optimizer=state, grad_scaler=scaler, fp32_from_fp16_params=masters)


def write_checkpoint(
    folder, kind, version, ranks=1, stages=1, with_args=True, is_zip=True, dtype=torch.float32, with_optimizer=False
):
    """A checkpoint folder as Megatron-LM leaves it."""
    weights = random_model(kind)
    folder = Path(folder)
    for number in range(stages):
        for rank in range(ranks):
            name = f"mp_rank_{rank:02d}" + (f"_{number:03d}" if stages > 1 else "")
            path = folder / "release" / name / "model_optim_rng.pt"
            path.parent.mkdir(parents=True)
            state = dict(iteration=0, model=cast(stage(kind, weights, version, rank, ranks, number, stages), dtype))
            if with_args:
                state["args"] = arguments(kind, version, ranks, stages)
            if version > 0:
                state["checkpoint_version"] = float(version)
            if with_optimizer:
                last, layers = number == stages - 1, LAYERS // stages
                state["optimizer"] = optimizer_state(state["model"], kind, version, last, stages > 1, layers, dtype)
                state["lr_scheduler"] = dict(max_lr=1e-4, num_steps=56, decay_style="linear")
            state["rng"] = torch.arange(16, dtype=torch.uint8)
            torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    (folder / "latest_checkpointed_iteration.txt").write_text("release")
