"""1,000 steps of each optimizer on two small tensors, in float64, by PyTorch; LAMB by the paper's formulas, restated.

Initial values and gradients come from Park and Miller's generator, so that a test draws the same ones. The same steps in
float32 say how far rounding alone leads away.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import torch

STEPS = [1, 10, 100, 1000]
SHAPES = {"weight": (6, 7), "bias": (6,)}
WEIGHT_DECAY = {"weight": 0.01, "bias": 0.0}
OUTPUT = Path(__file__).parent.parent / "test" / "fixtures" / "optimizers.json.gz"


def uniform_numbers():
    state = 1
    while True:
        state = state * 48271 % (2**31 - 1)
        yield state / 2**31


def draw(numbers, shape, center):
    values = [next(numbers) - center for _ in range(int(np.prod(shape)))]
    return np.array(values, dtype=np.float32).reshape(shape)


def torch_steps(dtype, optimizer, options):
    numbers = uniform_numbers()
    parameters = {name: torch.tensor(draw(numbers, shape, 0.5), dtype=dtype) for name, shape in SHAPES.items()}
    groups = [{"params": [value], "weight_decay": WEIGHT_DECAY[name]} for name, value in parameters.items()]
    update = optimizer(groups, foreach=False, **options)
    for step in range(1, STEPS[-1] + 1):
        for name, value in parameters.items():
            value.grad = torch.tensor(draw(numbers, SHAPES[name], 0.4), dtype=dtype)
        update.step()
        if step in STEPS:
            yield {name: value.numpy().copy() for name, value in parameters.items()}


def lamb_steps(dtype, lr, betas, eps):
    """You et al., arXiv 1904.00962, algorithm 2, with phi(x) = x; what does not decay has a trust ratio of 1."""
    beta1, beta2 = betas
    numbers = uniform_numbers()
    values = {name: draw(numbers, shape, 0.5).astype(dtype) for name, shape in SHAPES.items()}
    first = {name: np.zeros(shape, dtype) for name, shape in SHAPES.items()}
    second = {name: np.zeros(shape, dtype) for name, shape in SHAPES.items()}
    for step in range(1, STEPS[-1] + 1):
        for name, shape in SHAPES.items():
            gradient = draw(numbers, shape, 0.4).astype(dtype)
            first[name] = dtype(beta1) * first[name] + dtype(1 - beta1) * gradient
            second[name] = dtype(beta2) * second[name] + dtype(1 - beta2) * gradient**2
            mean = first[name] / dtype(1 - beta1**step)
            square = second[name] / dtype(1 - beta2**step)
            direction = mean / (np.sqrt(square) + dtype(eps)) + dtype(WEIGHT_DECAY[name]) * values[name]
            ratio = np.linalg.norm(values[name]) / np.linalg.norm(direction) if WEIGHT_DECAY[name] else dtype(1)
            values[name] = values[name] - dtype(lr) * ratio * direction
        if step in STEPS:
            yield dict(values)


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def fixture(name, options, run, float32, float64):
    steps = []
    for step, rounded, exact in zip(STEPS, run(float32), run(float64)):
        values = {tensor: exact[tensor].flatten().tolist() for tensor in SHAPES}
        errors = [f"{tensor} {relative_error(rounded[tensor], exact[tensor]):.1e}" for tensor in SHAPES]
        print(f"{name:8} {step:5} steps in float32 are off by", ", ".join(errors))
        steps.append({"step": step, "values": values})
    return {"optimizer": name, "options": options, "steps": steps}


def by_torch(name, optimizer, options, torch_options):
    run = lambda dtype: torch_steps(dtype, optimizer, torch_options)
    return fixture(name, options, run, torch.float32, torch.float64)


adam = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "learningRate": 1e-3}
torch_adam = {"betas": (0.9, 0.999), "eps": 1e-8, "lr": 1e-3}
fixtures = [
    by_torch("adamw", torch.optim.AdamW, adam, torch_adam),
    by_torch("adam-l2", torch.optim.Adam, adam, torch_adam),
    by_torch("sgd", torch.optim.SGD, {"momentum": 0.9, "learningRate": 1e-4}, {"momentum": 0.9, "lr": 1e-4}),
    fixture(
        "lamb",
        {**adam, "epsilon": 1e-6},
        lambda dtype: lamb_steps(dtype, lr=1e-3, betas=(0.9, 0.999), eps=1e-6),
        np.float32,
        np.float64,
    ),
]
OUTPUT.write_bytes(gzip.compress(json.dumps(fixtures, separators=(",", ":")).encode(), mtime=0))
