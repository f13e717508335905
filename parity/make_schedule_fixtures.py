"""Learning rates and batch sizes over 1,000 iterations, by Megatron-LM's formulas restated (23.04), in float64.

`AnnealingLR` (megatron/optimizer_param_scheduler.py) and `RampupBatchsizeNumMicroBatches` (megatron/microbatches.py).
"""

import gzip
import json
import math
from pathlib import Path

ITERATIONS = 1000
OUTPUT = Path(__file__).parent.parent / "test" / "fixtures" / "schedules.json.gz"


def learning_rate(step, style, highest, least, warmup, decay):
    if warmup > 0 and step <= warmup:
        return highest * step / warmup
    if style == "constant":
        return highest
    if step > decay:
        return least
    if style == "inverse-square-root":
        return max(least, highest * max(warmup, 1) ** 0.5 / max(step, 1) ** 0.5)
    ratio = (step - warmup) / (decay - warmup)
    coefficient = {"linear": 1 - ratio, "cosine": 0.5 * (math.cos(math.pi * ratio) + 1)}[style]
    return least + coefficient * (highest - least)


def batch_size(consumed, start, increment, samples, whole):
    if consumed > samples:
        return whole
    samples_per_increment = samples / ((whole - start) // increment)
    return start + int(consumed / samples_per_increment) * increment


def ramp(start, increment, samples, whole):
    consumed, sizes = 0, []
    for _ in range(ITERATIONS):
        sizes.append(batch_size(consumed, start, increment, samples, whole))
        consumed += sizes[-1]
    return {"rampup": [start, increment, samples], "globalBatchSize": whole, "sizes": sizes}


def rates(style, warmup, decay, highest=3e-4, least=2e-5):
    values = [float(f"{learning_rate(step, style, highest, least, warmup, decay):.9g}") for step in range(ITERATIONS)]
    schedule = {"learningRate": highest, "minLearningRate": least, "decayStyle": style}
    return {**schedule, "warmupIterations": warmup, "decayIterations": decay, "rates": values}


fixtures = {
    "rates": [
        rates(style, warmup, decay)
        for style in ("linear", "cosine", "constant", "inverse-square-root")
        for warmup, decay in ((0, 1000), (1, 1000), (100, 800))
    ],
    "ramps": [ramp(4, 4, 3000, 32), ramp(8, 8, 1001, 64), ramp(16, 4, 777, 40)],
}
OUTPUT.write_bytes(gzip.compress(json.dumps(fixtures, separators=(",", ":")).encode(), mtime=0))
