"""CTranslate2's encoder with MegatronBERT's weights: pre-LN, no layer norm after the embeddings."""

import json
import os
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from transformers import MegatronBertModel

from serving import arguments, serve

options = arguments(__doc__)
converted = Path(options.model) / f"ctranslate2-{options.dtype}"


def set_linear(spec, *layers):
    spec.weight = np.concatenate([layer.weight.detach().numpy() for layer in layers])
    spec.bias = np.concatenate([layer.bias.detach().numpy() for layer in layers])


def set_norm(spec, layer):
    spec.gamma, spec.beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()


def convert():
    model = MegatronBertModel.from_pretrained(options.model, add_pooling_layer=False).eval().float()
    config = model.config
    encoder = transformer_spec.TransformerEncoderSpec(
        config.num_hidden_layers, config.num_attention_heads, pre_norm=True,
        activation=common_spec.Activation.GELU, layernorm_embedding=False, num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    spec = transformer_spec.TransformerEncoderModelSpec(encoder, pooling_layer=False)
    encoder.scale_embeddings = False
    tables = model.embeddings
    encoder.embeddings[0].weight = tables.word_embeddings.weight.detach().numpy()
    encoder.embeddings[1].weight = tables.token_type_embeddings.weight.detach().numpy()
    encoder.position_encodings.encodings = tables.position_embeddings.weight.detach().numpy()
    set_norm(encoder.layer_norm, model.encoder.ln)
    for target, layer in zip(encoder.layer, model.encoder.layer):
        set_norm(target.self_attention.layer_norm, layer.attention.ln)
        own = layer.attention.self
        set_linear(target.self_attention.linear[0], own.query, own.key, own.value)
        set_linear(target.self_attention.linear[1], layer.attention.output.dense)
        set_norm(target.ffn.layer_norm, layer.ln)
        set_linear(target.ffn.linear_0, layer.intermediate.dense)
        set_linear(target.ffn.linear_1, layer.output.dense)
    spec.register_vocabulary([str(i) for i in range(config.vocab_size)])
    spec.config.layer_norm_epsilon = config.layer_norm_eps
    spec.config.unk_token = "0"
    spec.validate()
    spec.optimize(quantization=options.dtype)
    os.makedirs(converted)
    spec.save(str(converted))


if not converted.exists():
    convert()
encoder = ctranslate2.Encoder(
    str(converted), device="cpu", intra_threads=options.threads, compute_type=options.dtype
)


def run(texts):
    output = encoder.forward_batch(texts)
    return np.array(output.last_hidden_state)[0]


serve(f"CTranslate2 {ctranslate2.__version__}", json.load(open(options.inputs)), run)
