"""Writes test/fixtures/generation: a random decoder, what transformers generates with it, and what its processors
make of logits (see README.md)."""

import json
import math
import shutil
from pathlib import Path

import torch
import transformers
from transformers import MegatronBertConfig, MegatronBertForCausalLM
from transformers.generation import logits_process as processors

FOLDER = Path(__file__).parent.parent / "test" / "fixtures" / "generation"
torch.set_num_threads(1)

MODES = {
    "greedy": dict(),
    "greedy-min-new-tokens": dict(min_new_tokens=6),
    "greedy-max-length": dict(max_new_tokens=None, max_length=12),
    "greedy-repetition-penalty": dict(repetition_penalty=1.3),
    "greedy-no-repeat-ngram": dict(no_repeat_ngram_size=2),
    "beams": dict(num_beams=4, early_stopping=False, length_penalty=1.0),
    "beams-early": dict(num_beams=4, early_stopping=True, length_penalty=0.6),
    "beams-never": dict(num_beams=4, early_stopping="never", length_penalty=2.0),
    "beams-several": dict(num_beams=3, num_return_sequences=3),
    "beams-repetition-penalty": dict(num_beams=4, repetition_penalty=1.3),
}


def make_model():
    torch.manual_seed(7)
    config = MegatronBertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
        max_position_embeddings=64, is_decoder=True, eos_token_id=3, pad_token_id=0, bos_token_id=2,
    )
    model = MegatronBertForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
        model.cls.predictions.bias[3] += 2.5
    model.save_pretrained(FOLDER / "model")
    (FOLDER / "model" / "generation_config.json").unlink(missing_ok=True)
    return model


def generate(model, batch, mask, options):
    """Token ids, with and without the cache."""
    options = {"max_new_tokens": 20, **options}
    results = [
        model.generate(batch, attention_mask=mask, do_sample=False, use_cache=use_cache,
                       return_dict_in_generate=True, output_scores=True, **options)
        for use_cache in (True, False)
    ]
    assert torch.equal(results[0].sequences, results[1].sequences), options
    scores = getattr(results[0], "sequences_scores", None)
    return results[0].sequences.tolist(), None if scores is None else scores.tolist()


def generations(model):
    generator = torch.Generator().manual_seed(11)
    prompts = [torch.randint(4, 40, (1 + i % 8,), generator=generator).tolist() for i in range(10)]
    runs = []
    for name, options in MODES.items():
        outputs = []
        for prompt in prompts:
            batch = torch.tensor([prompt])
            sequences, scores = generate(model, batch, torch.ones_like(batch), options)
            outputs.append(dict(prompt=prompt, sequences=sequences, scores=scores))
        runs.append(dict(name=name, options={"max_new_tokens": 20, **options}, outputs=outputs))
    width = max(map(len, prompts))
    padded = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = (torch.arange(width)[None, :] >= torch.tensor([[width - len(prompt)] for prompt in prompts])).long()
    batches = []
    for name in ("greedy", "beams"):
        sequences, _ = generate(model, padded, mask, MODES[name])
        batches.append(dict(options={"max_new_tokens": 20, **MODES[name]}, sequences=sequences))
    return dict(prompts=prompts, runs=runs, padded=dict(input_ids=padded.tolist(), attention_mask=mask.tolist(), runs=batches))


def processed():
    generator = torch.Generator().manual_seed(13)
    logits = torch.randn(3, 12, generator=generator) * 3
    ids = torch.randint(0, 12, (3, 6), generator=generator)
    ids[0] = torch.tensor([1, 2, 3, 1, 2, 3])
    makers = {
        "temperature": (dict(temperature=0.7), processors.TemperatureLogitsWarper(0.7)),
        "top_k": (dict(top_k=4), processors.TopKLogitsWarper(4)),
        "top_p": (dict(top_p=0.8), processors.TopPLogitsWarper(0.8)),
        "repetition_penalty": (dict(repetition_penalty=1.5), processors.RepetitionPenaltyLogitsProcessor(1.5)),
        "no_repeat_ngram_size": (dict(no_repeat_ngram_size=2), processors.NoRepeatNGramLogitsProcessor(2)),
    }
    results = []
    for name, (options, processor) in makers.items():
        rows = processor(ids, logits.clone()).tolist()
        results.append(dict(name=name, options=options, rows=[[None if math.isinf(x) else x for x in row] for row in rows]))
    return dict(input_ids=ids.tolist(), logits=logits.tolist(), results=results)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    model = make_model()
    found = dict(transformers=transformers.__version__, **generations(model), processors=processed())
    (FOLDER / "generation.json").write_text(json.dumps(found) + "\n")
    ended = [3 in s[len(o["prompt"]):] for run in found["runs"] for o in run["outputs"] for s in o["sequences"]]
    print(f"{len(ended)} sequences, {sum(ended)} with an end token, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
