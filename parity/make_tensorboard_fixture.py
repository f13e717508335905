"""Writes test/fixtures/tensorboard/events: what tensorboard's own messages and record writer make of a short run."""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

WALL_TIME = 1_700_000_000.25

STEP = {"lm loss": 6.25, "sop loss": 0.7, "learning-rate": 1e-4, "grad-norm": float("nan"), "batch-size": 512, "iteration-time": 1.5, "model-flops-per-second": 5e10}
EVALUATION = {"lm loss validation": 0.0, "lm loss validation ppl": 1.0}


def scalars(values: dict[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


folder = Path(__file__).parent.parent / "test/fixtures/tensorboard"
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "events", "wb") as file:
    writer = RecordWriter(file)
    for event in [
        Event(file_version="brain.Event:2"),
        Event(step=300, session_log=SessionLog(status=SessionLog.START)),
        Event(step=300, summary=scalars(STEP)),
        Event(step=1_000_000, summary=scalars(EVALUATION)),
    ]:
        event.wall_time = WALL_TIME
        writer.write(event.SerializeToString())
