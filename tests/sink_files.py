"""What sinks have written, read back: as curves by name, each a list of (env step, value)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.results import read_chain
from tdmpc2_bench.sinks.curves import Curves

Shown = dict[str, list[tuple[int, float]]]


def of_logs(cell: CellDir, attempt: AttemptDir) -> Shown:
    """What there is to show, from the cell's own files."""
    evals, train = (read_chain(cell, attempt, log) for log in ("evals", "train"))
    shown: Shown = {}
    for point in Curves(0.0).points(evals=evals, train=train):
        for name, value in point.scalars.items():
            shown.setdefault(name, []).append((point.env_step, value))
    return shown


def of_events(folder: Path) -> Shown:
    """What TensorBoard finds in a cell's folder; its numbers have single precision."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    read.Reload()
    return {
        name: [(event.step, event.value) for event in read.Scalars(name)]
        for name in read.Tags()["scalars"]
    }


def close_to(shown: Shown) -> Any:
    """Compares equal to the same curves in single precision."""
    return {
        name: [(step, pytest.approx(value, rel=1e-6)) for step, value in points]
        for name, points in shown.items()
    }


def wandb_run(file: Path) -> tuple[Any, Shown]:
    """A run of Weights & Biases and its history, from the file of an offline run."""
    from wandb.proto import wandb_internal_pb2

    run: Any = None
    shown: Shown = {}
    for data in _wandb_records(file.read_bytes()):
        record: Any = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        run = record.run if record.WhichOneof("record_type") == "run" else run
        for item in record.history.item:
            name = "/".join(item.nested_key)
            if not name.startswith("_"):
                value = json.loads(item.value_json)
                shown.setdefault(name, []).append((record.history.step.num, value))
    return run, shown


def _wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of a log in blocks, whose parts are whole, first, middle or last."""
    block, header = 32768, struct.Struct("<IHB")  # checksum, length, kind
    place, record = 7, b""  # behind the file's own header
    while place < len(data):
        left = block - place % block
        if left < header.size:
            place += left
            continue
        _, length, kind = header.unpack_from(data, place)
        place += header.size
        record += data[place : place + length]
        place += length
        if kind in {1, 4}:
            yield record
            record = b""
