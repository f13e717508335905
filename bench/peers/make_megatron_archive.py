"""Writes an archive of the size and kind of NVIDIA's 345M BERT: fp16, one partition, random weights."""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "parity"))
import megatron_layout as layout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--container", choices=["legacy", "zip"], required=True)
    parser.add_argument("--deflate", action="store_true")
    arguments = parser.parse_args()
    layout.LAYERS, layout.HIDDEN, layout.HEADS, layout.POSITIONS, layout.VOCABULARY = 24, 1024, 16, 512, 30592
    layout.FFN = 4 * layout.HIDDEN
    arguments.archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.archive.parent) as name:
        folder = Path(name)
        is_zip = arguments.container == "zip"
        layout.write_checkpoint(folder, "bert", 0, with_args=False, is_zip=is_zip, dtype=torch.half)
        method = zipfile.ZIP_DEFLATED if arguments.deflate else zipfile.ZIP_STORED
        with zipfile.ZipFile(arguments.archive, "w", method) as packed:
            for path in sorted(filter(Path.is_file, folder.rglob("*"))):
                packed.write(path, path.relative_to(folder))


main()
