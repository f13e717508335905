"""Writes the reference values under test/fixtures/tiny: what transformers and PyTorch compute for a tiny MegatronBERT.

Everything follows from the seeds below, so a second run on the same versions (requirements.txt) writes the same files.
"""

import argparse
import copy
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import MegatronBertConfig, MegatronBertForPreTraining

PAD, CLS, SEP, MASK, FIRST_WORD = 0, 2, 3, 4, 5
SEQUENCE_LENGTH = 16
IGNORED_LABEL = -100

MODEL_SEED, EXPECTED_SEED, TRAINING_SEED = 1909, 8059, 2019

CONFIG = MegatronBertConfig(
    vocab_size=128,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=32,
    # ten times the usual spread, so that attention and the losses are far from uniform
    initializer_range=0.2,
)

TRAINING = {
    "steps": 50,
    "batch_size": 4,
    "sequence_length": SEQUENCE_LENGTH,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "optimizer": "AdamW",
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.01,
    "max_gradient_norm": 1.0,
    "max_learning_rate": 1e-3,
    "min_learning_rate": 1e-5,
    "warmup_steps": 5,
}

TINY = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "tiny"


def make_model():
    """A random model in which no parameter is left at 0 or 1, so that a mistake with any of them shows."""
    torch.manual_seed(MODEL_SEED)
    model = MegatronBertForPreTraining(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def random_words(count, generator):
    """`count` word ids, the low ones far likelier than the high ones: something that 50 steps can learn."""
    uniform = torch.rand(count, generator=generator)
    return FIRST_WORD + ((CONFIG.vocab_size - FIRST_WORD) * uniform**3).long()


def make_batch(lengths, generator):
    """Inputs [len(lengths), 16]: `[CLS] A [SEP] B [SEP]`, padding on the right, 1 to 3 masked words a row."""
    shape = (len(lengths), SEQUENCE_LENGTH)
    batch = {
        "input_ids": torch.full(shape, PAD),
        "attention_mask": torch.zeros(shape, dtype=torch.long),
        "token_type_ids": torch.zeros(shape, dtype=torch.long),
        "labels": torch.full(shape, IGNORED_LABEL),
        "next_sentence_label": torch.randint(2, (len(lengths),), generator=generator),
    }
    for row, length in enumerate(lengths):
        first_end = int(torch.randint(2, length - 2, (), generator=generator))
        ids = torch.cat([torch.tensor([CLS]), random_words(length - 2, generator), torch.tensor([SEP])])
        ids[first_end] = SEP
        words = (ids >= FIRST_WORD).nonzero().flatten()
        # 15 % of the words on average
        masked_count = min(3, max(1, int((torch.rand(len(words), generator=generator) < 0.15).sum())))
        masked = words[torch.randperm(len(words), generator=generator)[:masked_count]]
        batch["labels"][row, masked] = ids[masked]
        ids[masked] = MASK
        batch["input_ids"][row, :length] = ids
        batch["attention_mask"][row, :length] = 1
        batch["token_type_ids"][row, first_end + 1 : length] = 1
    return batch


def as_int32(batch):
    return {name: tensor.to(torch.int32).contiguous() for name, tensor in batch.items()}


def expected_values(model):
    """Inputs, outputs and gradients of one forward and backward pass in evaluation mode."""
    batch = make_batch([16, 11, 7], torch.Generator().manual_seed(EXPECTED_SEED))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    model.eval()
    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    # named_parameters gives a tied parameter once, under its first name: the word embeddings and cls.predictions.bias
    gradients = {f"gradient.{name}": parameter.grad for name, parameter in model.named_parameters()}
    with torch.no_grad():
        body = model.bert(**inputs, output_hidden_states=True)
    values = {
        "prediction_logits": output.prediction_logits,
        "seq_relationship_logits": output.seq_relationship_logits,
        "loss": output.loss.reshape(1),
        "last_hidden_state": body.last_hidden_state,
        "pooler_output": body.pooler_output,
        **{f"hidden_states.{index}": state for index, state in enumerate(body.hidden_states)},
        **gradients,
    }
    return {**as_int32(batch), **{name: value.detach().clone().contiguous() for name, value in values.items()}}


def learning_rate(completed_steps):
    """Linear warm-up, then linear decay (Megatron-LM, AnnealingLR with decay style `linear`)."""
    largest, smallest = TRAINING["max_learning_rate"], TRAINING["min_learning_rate"]
    warmup, total = TRAINING["warmup_steps"], TRAINING["steps"]
    if completed_steps <= warmup:
        return largest * completed_steps / warmup
    return smallest + (largest - smallest) * (1 - (completed_steps - warmup) / (total - warmup))


def parameter_groups(model):
    """Weight decay for matrices and embeddings; none for biases and layer-norm weights, the only vectors there are."""
    decayed = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    undecayed = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    return [
        {"params": decayed, "weight_decay": TRAINING["weight_decay"]},
        {"params": undecayed, "weight_decay": 0.0},
    ]


def without_dropout(model):
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return copied


def train(model):
    """Pre-trains a copy of the model; returns the batches, stacked by step, and the curve."""
    model = without_dropout(model).train()
    generator = torch.Generator().manual_seed(TRAINING_SEED)
    optimizer = torch.optim.AdamW(
        parameter_groups(model),
        lr=0.0,
        betas=(TRAINING["beta1"], TRAINING["beta2"]),
        eps=TRAINING["epsilon"],
        foreach=False,
    )
    batches = []
    curve = {"losses": [], "gradient_norms": [], "learning_rates": []}
    for step in range(TRAINING["steps"]):
        lengths = torch.randint(8, SEQUENCE_LENGTH + 1, (TRAINING["batch_size"],), generator=generator).tolist()
        batch = make_batch(lengths, generator)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        gradient_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), TRAINING["max_gradient_norm"])
        optimizer.step()
        batches.append(as_int32(batch))
        curve["losses"].append(loss.item())
        curve["gradient_norms"].append(gradient_norm.item())
        curve["learning_rates"].append(learning_rate(step))
    stacked = {f"step.{name}": torch.stack([batch[name] for batch in batches]) for name in batches[0]}
    return stacked, curve


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = make_model()
    TINY.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(TINY)
    batches, curve = train(model)
    save_file(batches, TINY / "training.safetensors", metadata={"format": "pt"})
    (TINY / "training.json").write_text(json.dumps({"hyper_parameters": TRAINING, **curve}, indent=2) + "\n")
    save_file(expected_values(model), TINY / "expected.safetensors", metadata={"format": "pt"})
    print(f"wrote {TINY}: the loss went from {curve['losses'][0]:.4f} to {curve['losses'][-1]:.4f}")


if __name__ == "__main__":
    main()
