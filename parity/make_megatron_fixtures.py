"""Writes test/fixtures/megatron: archives of small Megatron-LM checkpoints as NVIDIA's catalogue packs them, and the
whole weights that they hold."""

import itertools
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch
from megatron_layout import random_model, write_checkpoint
from safetensors.torch import save_file

FOLDER = Path(__file__).parent.parent / "test" / "fixtures" / "megatron"
# with what training goes on from
TRAINING = [(3, 1, 1, "fp16"), (3, 2, 2, "fp16"), (3, 4, 1, "fp16"), (0, 2, 1, "fp16"), (3, 1, 1, "fp32"), (3, 2, 2, "fp32")]
PARTITIONS = dict(bert=[(1, 1), (2, 2), (4, 1)], gpt2=[(1, 1), (4, 2)])


def pack(folder, archive):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(filter(Path.is_file, folder.rglob("*"))):
            # the same bytes whenever it is made
            packed.writestr(zipfile.ZipInfo(str(path.relative_to(folder))), path.read_bytes(), zipfile.ZIP_DEFLATED)


def pack_checkpoint(name, kind, version, ranks, stages, dtype, **options):
    with tempfile.TemporaryDirectory() as folder:
        torch_dtype = dict(fp32=torch.float32, fp16=torch.float16)[dtype]
        write_checkpoint(folder, kind, version, ranks, stages, dtype=torch_dtype, **options)
        pack(Path(folder), FOLDER / f"{name}.zip")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    cases = []
    containers = itertools.cycle(itertools.product([True, False], [True, False], ["fp32", "fp16"]))
    for kind, layouts in PARTITIONS.items():
        save_file(random_model(kind), FOLDER / f"{kind}.safetensors", metadata=dict(format="pt"))
        for version, (ranks, stages) in itertools.product([0, 1, 2, 3], layouts):
            with_args, is_zip, dtype = next(containers)
            name = f"{kind}-{version}-{ranks}x{stages}-{'zip' if is_zip else 'legacy'}-{dtype}"
            pack_checkpoint(name, kind, version, ranks, stages, dtype, with_args=with_args, is_zip=is_zip)
            cases.append(dict(name=name, kind=kind, version=version, ranks=ranks, stages=stages, dtype=dtype))
    for version, ranks, stages, dtype in TRAINING:
        pack_checkpoint(f"training-{version}-{ranks}x{stages}-{dtype}", "bert", version, ranks, stages, dtype, with_optimizer=True)
    (FOLDER / "cases.json").write_text(json.dumps(cases) + "\n")


main()
