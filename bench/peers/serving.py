"""What the Python peers of the inference benchmark have in common: they load, say so, and then run whatever workload
is named on stdin, one line of JSON for each run."""

import argparse
import json
import resource
import sys
import time


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True)
    parser.add_argument("--inputs", required=True, help="JSON: for each workload its texts as lists of token ids")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--dtype", default="float32")
    return parser.parse_args()


def pad(texts):
    """Rows of one length and their mask, as anyone would hand them to a model."""
    longest = max(map(len, texts))
    ids = [text + [0] * (longest - len(text)) for text in texts]
    mask = [[1] * len(text) + [0] * (longest - len(text)) for text in texts]
    return ids, mask


def serve(version, workloads, run):
    """`run(texts)` returns the first text's last hidden state, [tokens][hidden]."""
    print(json.dumps(dict(version=version)), flush=True)
    for line in sys.stdin:
        texts = workloads[line.strip()]
        start = time.perf_counter()
        hidden = run(texts)
        seconds = time.perf_counter() - start
        sample = [float(x) for x in hidden[0][:16]]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(dict(seconds=seconds, sample=sample, peak_mebibytes=peak)), flush=True)
