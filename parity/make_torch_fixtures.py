"""Writes test/fixtures/torch: pickles of every protocol, and files of torch.save that hold more than plain tensors."""

import argparse
import base64
import collections
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy
import torch

FOLDER = Path(__file__).parent.parent / "test" / "fixtures" / "torch"
VALUE = {
    "numbers": [0, 1, -2, 255, 256, 65536, -(2**31), 2**40, 2**70, -(2**70), 1.5, -0.25],
    "others": [None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}],
    "text": ["", "é", "日本", "x" * 300, "line\nend", "back\\slash"],
    "bytes": [b"", b"\x00\xff", b"y" * 300],
    3: "three",
}


class Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    # protocols 0 to 2 write bytes as a call of codecs.encode
    pickles = {protocol: pickle.dumps(VALUE, protocol) for protocol in range(6)}
    hostile = {
        "os.system": pickle.dumps(Hostile(os.system, "touch /tmp/executed")),
        "eval": pickle.dumps(Hostile(eval, "open('/tmp/executed', 'w')"), 0),
        "nested": pickle.dumps([{"a": Hostile(os.system, "touch /tmp/executed")}], 4),
        "namespace": pickle.dumps(argparse.Namespace(hidden_size=16, activation="gelu")),
        "ordered": pickle.dumps(collections.OrderedDict(a=1, b=[2])),
    }
    encode = lambda values: {str(key): base64.b64encode(value).decode() for key, value in values.items()}
    (FOLDER / "pickles.json").write_text(json.dumps(dict(protocols=encode(pickles), objects=encode(hostile))) + "\n")

    base = torch.arange(24, dtype=torch.float32)
    torch.save(
        collections.OrderedDict(
            float32=base[:6].reshape(2, 3),
            float16=torch.tensor([1.5, -2.0], dtype=torch.float16),
            bfloat16=torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
            float64=torch.tensor([0.1], dtype=torch.float64),
            int64=torch.tensor([[2**40]]),
            boolean=torch.tensor([True, False]),
            parameter=torch.nn.Parameter(torch.ones(2)),
            view=base[8:20].reshape(3, 4)[1:],
            scalar=torch.tensor(7.0),
            text="passed over",
        ),
        FOLDER / "tensors.bin",
    )
    torch.save(dict(turned=base[:6].reshape(2, 3).T, every_second=base[::2][:4]), FOLDER / "views.bin")
    torch.save(dict(weight=base, evil=Hostile(os.system, "touch /tmp/executed")), FOLDER / "hostile.bin")
    shared = torch.arange(10, dtype=torch.float16)
    values = dict(
        first=shared[2:6],
        second=shared[6:].reshape(2, 2).T,
        bytes=torch.arange(5, dtype=torch.uint8),
        args=argparse.Namespace(num_layers=2, params_dtype=torch.float16, eps=1e-5),
        scalar=numpy.float64(0.5),
        count=numpy.int64(7),
        array=numpy.arange(3, dtype=numpy.uint32),
        size=torch.Size([2, 3]),
        device=torch.device("cuda", 1),
        module=torch.nn.LayerNorm,
    )
    # the old format keeps a class's source, and where it lay
    torch.serialization.get_source_lines_and_file = lambda _: (["class LayerNorm: ...\n"], 1, "normalization.py")
    torch.save(values, FOLDER / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(values, FOLDER / "values.bin")
    swap_bytes(FOLDER / "values.bin", FOLDER / "big-endian.bin", {"0": 2, "1": 1})


def swap_bytes(source, target, sizes):
    """The file as a big-endian machine writes it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            folder, _, name = entry.rpartition("/")
            if name == "byteorder":
                data = b"big"
            elif folder.endswith("/data"):
                data = numpy.frombuffer(data, dtype=f"u{sizes[name]}").byteswap().tobytes()
            new.writestr(entry, data)
    tensors = [torch.load(path, weights_only=False)["second"] for path in (source, target)]
    assert torch.equal(*tensors)


main()
