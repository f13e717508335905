"""Fine-tunes with transformers' Trainer as told by a file, and prints how long the steps took: bench/finetune.mjs."""

import json
import resource
import sys
import tempfile

import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

with open(sys.argv[1], encoding="utf-8") as file:
    task = json.load(file)
torch.set_num_threads(task["threads"])
tokenizer = AutoTokenizer.from_pretrained(task["model"])
model = AutoModelForSequenceClassification.from_pretrained(task["model"])
with open(task["trainFile"], encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]


def features(row):
    encoded = tokenizer(row["text"], truncation=True, max_length=task["longest"])
    return {**encoded, "labels": model.config.label2id[row["label"]]}


examples = [features(row) for row in rows]
losses = []


class SameBatches(Trainer):
    """Takes the batches that are given, and keeps every loss."""

    def get_train_dataloader(self):
        loader = DataLoader(
            examples, batch_sampler=task["batches"], collate_fn=DataCollatorWithPadding(tokenizer)
        )
        return self.accelerator.prepare(loader)

    def compute_loss(self, *arguments, **options):
        result = super().compute_loss(*arguments, **options)
        losses.append((result[0] if isinstance(result, tuple) else result).detach())
        return result


with tempfile.TemporaryDirectory() as folder:
    trainer = SameBatches(
        model=model,
        args=TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=task["batchSize"],
            learning_rate=1e-4,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=task["seed"],
            use_cpu=True,
        ),
        train_dataset=examples,
    )
    metrics = trainer.train().metrics
last = [loss.item() for loss in losses[-20:]]
print(
    json.dumps(
        {
            "seconds": metrics["train_runtime"],
            "loss": sum(last) / len(last),
            "peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
