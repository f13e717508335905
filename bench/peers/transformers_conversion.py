"""Runs transformers' own conversion script, out of the wheel of 4.40 (the last with it), as its users do."""

import json
import os
import resource
import runpy
import sys
import tempfile
import zipfile

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
wheel, archive = sys.argv[1:]
name = "transformers/models/megatron_bert/convert_megatron_bert_checkpoint.py"
with tempfile.TemporaryDirectory() as folder:
    sys.argv = ["convert", archive]
    runpy.run_path(zipfile.ZipFile(wheel).extract(name, folder), run_name="__main__")
print(json.dumps(dict(peak_mebibytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
