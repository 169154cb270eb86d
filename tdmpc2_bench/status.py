"""How far cells are: finished, running, failed, stopped."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdmpc2_bench import done, manifest, ownership, record
from tdmpc2_bench.celldir import AttemptDir, CellDir, find_cells
from tdmpc2_bench.errors import DamagedFile

# Words for a cell's condition: done, diverged, running, stale (its owner on another machine has
# not been heard of), failed, interrupted (stopped or killed; `run` continues it), damaged.
_LAST_EVENT = {"failed": "failed", "interrupted": "interrupted"}


@dataclass(frozen=True, slots=True)
class CellStatus:
    """One cell's condition. Steps are environment steps."""

    agent: str
    variant: str
    task: str
    seed: int
    status: str
    env_step: int
    budget: int | None
    last_return: float | None  # of the last evaluation in the headline mode


def statuses(root: Path) -> list[CellStatus]:
    """The condition of every cell below an experiment's folder."""
    return [status(cell) for cell in find_cells(root)]


def as_json(found: Sequence[CellStatus]) -> dict[str, Any]:
    """The stable form of `status --json`."""
    counts = Counter(one.status for one in found)
    return {"cells": [dataclasses.asdict(one) for one in found], "counts": dict(counts)}


def status(cell: CellDir) -> CellStatus:
    """The condition of one cell."""
    names = dataclasses.asdict(cell.cell)
    attempts = cell.attempts()
    if not attempts:
        return CellStatus(**names, status="interrupted", env_step=0, budget=None, last_return=None)
    newest = attempts[-1]
    try:
        manifest.read(cell)
        condition, env_step = _condition(newest)
        budget = ownership.read_start(newest)["steps"]
    except (DamagedFile, OSError):
        condition, env_step, budget = "damaged", 0, None
    return CellStatus(
        **names,
        status=condition,
        env_step=env_step,
        budget=budget,
        last_return=ownership.read_heartbeat(newest).get("eval_return"),
    )


def _condition(attempt: AttemptDir) -> tuple[str, int]:
    if attempt.done.exists():
        result = done.read(attempt)
        return result["status"], result["env_step"]
    env_step = ownership.read_heartbeat(attempt).get("env_step", 0)
    lives = ownership.runs_here(attempt)
    if lives is None:
        # Only for display: another machine's file time against our clock.
        age = time.time() - attempt.heartbeat.stat().st_mtime
        return ("running" if age < ownership.STALE_SECONDS else "stale"), env_step
    if lives:
        return "running", env_step
    events = record.read_log(attempt.events).rows
    kind = events[-1]["event"] if events else "interrupted"
    return _LAST_EVENT.get(kind, "interrupted"), env_step
