"""Event files that TensorBoard reads, without torch or tensorflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorboard")

from sink_files import of_events

from tdmpc2_bench import sinks
from tdmpc2_bench.celldir import Cell
from tdmpc2_bench.sinks.curves import Point, Source

CELL = Cell("uniform", "default", "toy-point", 3)


def source(attempt: int) -> Source:
    return Source(cell=CELL, experiment="runs", identity={}, attempt=attempt, key="k", began=1000.0)


def point(step: int, value: float) -> Point:
    return Point("train", {}, step, {"train/return": value}, 1000.0 + step)


def write(out: Path, attempt: int, points: list[Point]) -> None:
    with sinks.sink("tensorboard", out) as sink:
        curve = sink(source(attempt))
        for one in points:
            curve.write(one)
        curve.close()


def test_points_have_their_steps_and_times(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, 1, [point(0, 1.5), point(40, -2.5)])
    read = EventAccumulator(str(tmp_path / str(CELL)))
    read.Reload()
    found = [(e.step, e.value, e.wall_time) for e in read.Scalars("train/return")]
    assert found == [(0, 1.5, 1000.0), (40, -2.5, 1040.0)]


def test_what_is_written_is_there_before_the_file_is_closed(tmp_path: Path) -> None:
    with sinks.sink("tensorboard", tmp_path) as sink:
        curve = sink(source(1))
        curve.write(point(0, 1.0))
        assert of_events(tmp_path / str(CELL)) == {"train/return": [(0, 1.0)]}
        curve.close()


def test_a_later_attempt_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, 9, [point(step, 1.0) for step in (0, 40, 80, 120)])
    write(tmp_path, 10, [point(0, 1.0), point(40, 1.0), point(80, 2.0)])
    found = of_events(tmp_path / str(CELL))
    assert found == {"train/return": [(0, 1.0), (40, 1.0), (80, 2.0)]}


def test_a_tensorboard_that_shows_an_earlier_attempt_forgets_it(tmp_path: Path) -> None:
    """The loader written in Python; the data server forgets by the order of the steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / str(CELL)))
    write(tmp_path, 1, [point(step, 1.0) for step in (0, 40, 80, 120)])
    read.Reload()
    assert len(read.Scalars("train/return")) == 4
    write(tmp_path, 2, [point(0, 1.0), point(40, 1.0), point(80, 2.0)])
    read.Reload()
    found = [(e.step, e.value) for e in read.Scalars("train/return")]
    assert found == [(0, 1.0), (40, 1.0), (80, 2.0)]


def test_writing_needs_neither_torch_nor_tensorflow() -> None:
    code = (
        "import sys, tdmpc2_bench.sinks.tensorboard; "
        "print([name for name in ('torch', 'tensorflow', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
