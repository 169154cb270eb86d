"""Hours and updates are read from a cell's logs, its pauses left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tdmpc2_bench import effort, ownership, protocol, record
from tdmpc2_bench.celldir import AttemptDir, Cell, CellDir
from tdmpc2_bench.effort import Effort

CELL = Cell("uniform", "default", "toy-point", 1)


def begin(root: Path) -> CellDir:
    cell = CellDir.of(root, CELL)
    manifest = {"protocol": {}, "fingerprint": protocol.fingerprint({})}
    record.publish_folder(cell.path, {"run.json": json.dumps(manifest).encode()})
    return cell


def attempt(
    cell: CellDir,
    number: int,
    began: float,
    episodes: list[tuple[int, float]],
    parent: object = None,
) -> tuple[AttemptDir, list[int]]:
    """An attempt that began at ``began`` and ended episodes at (step, time); offsets after each."""
    one = cell.attempt(number)
    start = record.encode_line({"parent": parent, "steps": 100, **ownership.identity()})
    record.publish_folder(one.path, {"start.json": start})
    events, train = record.Log(one.events), record.Log(one.train)
    events.append({"event": "started", "time": began})
    offsets = []
    for step, time in episodes:
        train.append({"env_step": step, "updates": step // 2, "time": time})
        offsets.append(train.offset)
    events.close()
    train.close()
    return one, offsets


def test_hours_are_those_since_the_process_began(tmp_path: Path) -> None:
    cell = begin(tmp_path)
    attempt(cell, 1, 1000.0, [(100, 4600.0), (200, 8200.0)])
    found = effort.of(cell)
    assert found is not None
    hours, updates = found.at([0, 50, 200, 300])
    assert hours[:3].tolist() == [0, 0.5, 2] and np.isnan(hours[3])
    assert updates[:3].tolist() == [0, 25, 100]


def test_a_pause_and_what_came_after_the_checkpoint_do_not_count(tmp_path: Path) -> None:
    cell = begin(tmp_path)
    _, offsets = attempt(cell, 1, 0.0, [(100, 3600.0), (200, 7200.0)])
    parent = {"attempt": 1, "offsets": {"evals": 0, "train": offsets[0], "events": 0}}
    attempt(cell, 2, 1e6, [(200, 1e6 + 3600.0)], parent)
    found = effort.of(cell)
    assert found is not None and found.hours.tolist() == [0, 1, 2]


def test_a_long_log_is_read_at_some_places_its_end_among_them(tmp_path: Path) -> None:
    cell = begin(tmp_path)
    attempt(cell, 1, 0.0, [(step, 36.0 * step) for step in range(1, 2001)])
    found = effort.of(cell)
    assert found is not None and found.steps[-1] == 2000 and len(found.steps) < 60
    hours, _ = found.at([777])
    assert hours[0] == pytest.approx(7.77)


def test_the_folder_of_an_agent_or_a_variant_has_its_experiments_cells(tmp_path: Path) -> None:
    attempt(begin(tmp_path / "runs"), 1, 0.0, [(100, 3600.0)])
    root = tmp_path / "runs"
    for folder in (root, root / "uniform", root / "uniform" / "default"):
        (found,) = effort.in_folder(folder).items()
        assert found[0] == CELL and isinstance(found[1], Effort)
    assert effort.in_folder(tmp_path / "none") == {}


def test_a_cell_without_a_log_has_taken_nothing_that_is_known(tmp_path: Path) -> None:
    cell = begin(tmp_path)
    assert effort.of(cell) is None
    attempt(cell, 1, 0.0, [])
    assert effort.of(cell) is None and effort.in_folder(tmp_path) == {}
