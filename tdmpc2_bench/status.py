"""How far cells are: finished, running, failed, stopped, missing."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdmpc2_bench import done, failure, manifest, ownership, results
from tdmpc2_bench.celldir import AttemptDir, CellDir, find_cells
from tdmpc2_bench.errors import DamagedFile, FailureKind
from tdmpc2_bench.job import Job

# Words for a cell's condition, in the order they are told in: missing (planned, not begun);
# interrupted (stopped or killed, or finished for a smaller budget; `run` continues it); stale (its
# owner on another machine has not been heard of); damaged (a file of it cannot be read).
WORDS = (
    "done", "diverged", "running", "stale", "interrupted", "failed", "damaged", "missing"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CellStatus:
    """One cell's condition. Steps are environment steps."""

    agent: str
    variant: str
    task: str
    seed: int
    status: str
    env_step: int = 0
    budget: int | None = None  # the largest that was planned or begun; None if unknown
    rate: float | None = None  # environment steps per second of a running cell, lately
    last_return: float | None = None  # of the last evaluation in the headline mode
    failure: FailureKind | None = None  # class of a failed cell
    marks: tuple[str, ...] = ()  # in what way its result is not that of an undisturbed run


def statuses(root: Path, planned: Iterable[Job] = ()) -> list[CellStatus]:
    """The condition of every cell of an experiment, by agent, variant, task and seed.

    Args:
        root: its folder.
        planned: what is to be trained in it.
    """
    jobs = {job.cell: job for job in planned}
    found = {cell.cell: status(cell, jobs.get(cell.cell)) for cell in find_cells(root)}
    for cell, job in jobs.items():
        names = dataclasses.asdict(cell)
        found.setdefault(cell, CellStatus(**names, status="missing", budget=job.steps))
    return [found[cell] for cell in sorted(found, key=dataclasses.astuple)]


def as_json(found: Sequence[CellStatus]) -> dict[str, Any]:
    """The stable form of `status --json`."""
    counts = Counter(one.status for one in found)
    return {
        "cells": [dataclasses.asdict(one) for one in found],
        "counts": {word: counts[word] for word in WORDS if counts[word]},
    }


def status(cell: CellDir, job: Job | None = None) -> CellStatus:
    """The condition of one cell.

    Args:
        cell: the cell.
        job: what is planned for it, if that is known.
    """
    names = dataclasses.asdict(cell.cell)
    planned = job.steps if job else None
    attempts = cell.attempts()
    if not attempts:
        return CellStatus(**names, status="interrupted", budget=planned)
    newest = attempts[-1]
    try:
        manifest.read(cell)
        begun_for = ownership.read_start(newest)["steps"]
        facts = _finished(newest) if newest.done.exists() else _unfinished(cell, newest)
    except (DamagedFile, OSError):
        return CellStatus(**names, status="damaged", budget=planned)
    budget = max(begun_for, planned or 0)
    if facts["status"] == "done" and facts["env_step"] < budget:
        facts["status"] = "interrupted"
    return CellStatus(**names, budget=budget, **facts)


def _finished(attempt: AttemptDir) -> dict[str, Any]:
    result = done.read(attempt)
    return {
        "status": result["status"],
        "env_step": result["env_step"],
        "last_return": ownership.read_heartbeat(attempt).get("eval_return"),
        "marks": tuple(result.get("marks", ())),
    }


def _unfinished(cell: CellDir, attempt: AttemptDir) -> dict[str, Any]:
    heartbeat = ownership.read_heartbeat(attempt)
    word, kind = _condition(attempt)
    return {
        "status": word,
        "env_step": heartbeat.get("env_step", 0),
        "rate": heartbeat.get("rate") if word == "running" else None,
        "last_return": heartbeat.get("eval_return"),
        "failure": kind,
        "marks": tuple(results.marks(cell, attempt)),
    }


def _condition(attempt: AttemptDir) -> tuple[str, FailureKind | None]:
    """A word for an attempt without a result, and the class of its failure if it failed."""
    lives = ownership.runs_here(attempt)
    if lives is None:
        # Only for display: another machine's file time against our clock.
        age = time.time() - attempt.heartbeat.stat().st_mtime
        return ("running" if age < ownership.STALE_SECONDS else "stale"), None
    if lives:
        return "running", None
    found = failure.read(attempt)
    return ("failed", found.kind) if found else ("interrupted", None)
