"""The plain ONNX export of transformers' MegatronBertModel, run by onnxruntime in Python with its defaults."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import MegatronBertModel

from serving import arguments, pad, serve

options = arguments(__doc__)
exported = Path(options.model) / "onnx" / "model.onnx"


class LastHiddenState(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export():
    model = MegatronBertModel.from_pretrained(options.model, add_pooling_layer=False, dtype=torch.float32).eval()
    exported.parent.mkdir(exist_ok=True)
    example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=512)}
    torch.onnx.export(
        LastHiddenState(model), example, str(exported), input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state"], dynamic_shapes=(axes, axes), dynamo=True, external_data=True,
    )


if not exported.exists():
    export()
session_options = onnxruntime.SessionOptions()
session_options.intra_op_num_threads = options.threads
session = onnxruntime.InferenceSession(str(exported), session_options, providers=["CPUExecutionProvider"])


def run(texts):
    ids, mask = (np.array(rows, dtype=np.int64) for rows in pad(texts))
    return session.run(None, {"input_ids": ids, "attention_mask": mask})[0][0]


serve(f"ONNX Runtime {onnxruntime.__version__}", json.load(open(options.inputs)), run)
