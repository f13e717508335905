"""transformers' MegatronBertModel on PyTorch."""

import json

import torch
import transformers
from transformers import MegatronBertModel

from serving import arguments, pad, serve

options = arguments(__doc__)
torch.set_num_threads(options.threads)
model = MegatronBertModel.from_pretrained(
    options.model, add_pooling_layer=False, dtype=getattr(torch, options.dtype)
).eval()


@torch.inference_mode()
def run(texts):
    ids, mask = pad(texts)
    return model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).last_hidden_state[0]


workloads = json.load(open(options.inputs))
serve(f"PyTorch {torch.__version__}, transformers {transformers.__version__}", workloads, run)
