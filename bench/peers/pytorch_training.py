"""The PyTorch peer of the training benchmark: times one pre-training step of a MegatronBERT in float32 on the CPU.

Prints one line of JSON on stdout. Times are in seconds, one per repeat; before each series the same work runs once
untimed. Where PyTorch offers equivalent ways (how gradients are cleared, which AdamW), the faster is used and named.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import MegatronBertConfig, MegatronBertForPreTraining
from transformers.models.megatron_bert.modeling_megatron_bert import MegatronBertLayer

SHAPES = {
    "bert-small": {
        "num_hidden_layers": 4,
        "hidden_size": 512,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
    },
    "bert-base": {
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "bert-large": {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
GEMM_SHAPE = (2048, 1024, 4096)
LABELLED_SHARE = 0.15
IGNORED_LABEL = -100
SEED = 1234


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--micro-batch-size", type=int, default=8)
    parser.add_argument("--sequence-length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layer-repeats", type=int, default=5)
    parser.add_argument("--step-repeats", type=int, default=3)
    parser.add_argument("--checkpoint", action="store_true", help="compute layers again (torch.utils.checkpoint)")
    return parser.parse_args()


def timed(work, repeats):
    """Seconds of each of `repeats` calls of `work`, after one untimed call."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def peak_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def gemm_gflops(repeats=15):
    rows, inner, columns = GEMM_SHAPE
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    out = torch.empty(rows, columns)
    seconds = statistics.median(timed(lambda: torch.mm(a, b, out=out), repeats))
    return 2 * rows * inner * columns / seconds / 1e9


def make_layer_pass(layer, config, arguments):
    """Forward and backward of one layer, to its parameters and its input, with the mask that the model would add."""
    batch_size, sequence_length = arguments.micro_batch_size, arguments.sequence_length
    shape = (batch_size, sequence_length, config.hidden_size)
    hidden = torch.randn(shape, requires_grad=True)
    output_gradient = torch.randn(shape)
    mask = torch.zeros(batch_size, 1, 1, sequence_length)

    def layer_pass():
        hidden.grad = None
        output = layer(hidden, attention_mask=mask)
        # a tuple in transformers 4 and in the early 5 line
        output = output[0] if isinstance(output, tuple) else output
        output.backward(output_gradient)

    return layer_pass


def fastest(seconds_by_choice):
    return min(seconds_by_choice, key=lambda choice: statistics.median(seconds_by_choice[choice]))


def make_optimizer(parameters, implementation):
    return torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, **{implementation: True})


def time_layer(config, arguments):
    """Layer times by way of clearing gradients, and AdamW times on that layer's gradients by implementation."""
    layer = MegatronBertLayer(config).train()
    layer_pass = make_layer_pass(layer, config, arguments)
    passes, updates = {}, {}
    for set_to_none in (True, False):
        # clearing counts: with False it is work, and the backward pass then adds instead of storing
        def cleared_pass(set_to_none=set_to_none):
            layer.zero_grad(set_to_none=set_to_none)
            layer_pass()

        passes[set_to_none] = timed(cleared_pass, arguments.layer_repeats)
    for implementation in ("fused", "foreach"):
        try:
            optimizer = make_optimizer(layer.parameters(), implementation)
            updates[implementation] = timed(optimizer.step, arguments.layer_repeats)
        except RuntimeError:  # PyTorch before 2.4 has no fused AdamW for the CPU
            continue
    return passes, updates


def make_batch(config, arguments):
    """Random words, no padding, 15 % of each sequence's positions labelled."""
    shape = (arguments.micro_batch_size, arguments.sequence_length)
    input_ids = torch.randint(5, config.vocab_size, shape)
    labelled_count = round(LABELLED_SHARE * arguments.sequence_length)
    labelled = torch.rand(shape).argsort(dim=1)[:, :labelled_count]
    labels = torch.full(shape, IGNORED_LABEL).scatter(1, labelled, input_ids.gather(1, labelled))
    return {
        "input_ids": input_ids,
        "attention_mask": torch.ones(shape, dtype=torch.long),
        "token_type_ids": torch.zeros(shape, dtype=torch.long),
        "labels": labels,
        "next_sentence_label": torch.randint(2, shape[:1]),
    }


def loss_over_all_positions(model, batch):
    """As transformers computes it: logits for every position, of which the loss ignores most."""
    return model(**batch).loss


def loss_over_labelled_positions(model, batch):
    """The same loss with the language-model head computed only where there is a label."""
    labels = batch["labels"].flatten()
    labelled = (labels != IGNORED_LABEL).nonzero().flatten()
    body = model.bert(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    rows = body.last_hidden_state.flatten(0, 1)[labelled]
    prediction_logits, relationship_logits = model.cls(rows, body.pooler_output)
    next_sentence_loss = cross_entropy(relationship_logits, batch["next_sentence_label"])
    return cross_entropy(prediction_logits, labels[labelled]) + next_sentence_loss


def time_steps(config, arguments, set_to_none, implementation):
    """Whole steps (clear, forward, loss, backward, clip, AdamW) by the way of computing the loss."""
    model = MegatronBertForPreTraining(config).train()
    if arguments.checkpoint:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    batch = make_batch(config, arguments)
    optimizer = make_optimizer(model.parameters(), implementation)

    def step(loss_of):
        optimizer.zero_grad(set_to_none=set_to_none)
        loss_of(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    # what needs less memory first: the peak is of the process so far
    masked_only = timed(lambda: step(loss_over_labelled_positions), arguments.step_repeats)
    masked_only_peak = peak_bytes()
    return {
        "step_seconds_masked_only": masked_only,
        "peak_bytes_masked_only": masked_only_peak,
        "step_seconds": timed(lambda: step(loss_over_all_positions), arguments.step_repeats),
        "peak_bytes": peak_bytes(),
    }


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    config = MegatronBertConfig(vocab_size=30592, max_position_embeddings=512, **SHAPES[arguments.shape])
    gflops = gemm_gflops()
    passes, updates = time_layer(config, arguments)
    set_to_none, implementation = fastest(passes), fastest(updates)
    report = {
        "torch_version": torch.__version__,
        "transformers_version": transformers.__version__,
        **vars(arguments),
        "gemm_gflops": gflops,
        "zero_grad_set_to_none": set_to_none,
        "adamw_implementation": implementation,
        "layer_seconds": passes[set_to_none],
        **time_steps(config, arguments, set_to_none, implementation),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
