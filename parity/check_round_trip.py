"""Model folders there and back: ours writes every fixture, transformers reads and writes it, ours writes it again, and
the weights of all four must have the same bits. Needs the built package: npm run build."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

PARITY = Path(__file__).parent
FIXTURES = PARITY.parent / "test" / "fixtures" / "models"


def resave(source, target):
    subprocess.run(["node", PARITY / "resave.mjs", source, target], check=True)


def weights(folder):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(load_file(file))
    return tensors


def same_bits(a, b):
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and torch.equal(a[key].view(torch.uint8), b[key].view(torch.uint8)) for key in a
    )


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as workspace:
        ours, theirs, again = (Path(workspace) / name for name in ("ours", "theirs", "again"))
        resave(FIXTURES, ours)
        for folder in sorted(ours.iterdir()):
            config = json.loads((folder / "config.json").read_text())
            model_class = getattr(transformers, config["architectures"][0])
            dtype = next(iter(weights(folder).values())).dtype
            model, info = model_class.from_pretrained(folder, torch_dtype=dtype, output_loading_info=True)
            problems = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in info[kind]]
            if problems:
                print(f"{folder.name}: {problems}")
                failures += 1
            model.save_pretrained(theirs / folder.name)
        resave(theirs, again)
        for folder in sorted(ours.iterdir()):
            versions = [weights(root / folder.name) for root in (ours, theirs, again)]
            original = weights(FIXTURES / folder.name)
            is_same = all(same_bits(versions[0], other) for other in versions[1:] + ([original] if original else []))
            print(f"{folder.name}: {len(versions[0])} tensors, {'the same bits' if is_same else 'DIFFERENT'}")
            failures += not is_same
    sys.exit(1 if failures else 0)


main()
