"""What a cell has found: evaluations read back across attempts, as rows of the long table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tdmpc2_bench import done, manifest, ownership, record
from tdmpc2_bench.celldir import AttemptDir, CellDir, LogName, find_cells
from tdmpc2_bench.errors import UsageError

EPISODE_COLUMNS = ("return", "success_last", "success_any", "length")  # arrays in evals.jsonl


def read_chain(cell: CellDir, attempt: AttemptDir, log: LogName) -> list[dict[str, Any]]:
    """Rows of one log along the attempts that led to ``attempt``, oldest first.

    Of each ancestor only what its successor continued from is read; what it wrote after that
    checkpoint never happened.

    Raises:
        DamagedFile: a log is damaged or shorter than was recorded.
    """
    return [row for one, stops in chain(cell, attempt) for row in _read(one, log, stops)]


def inherited(cell: CellDir, attempt: AttemptDir, log: LogName) -> list[dict[str, Any]]:
    """Rows of one log that an attempt continues from, oldest first, as in `read_chain`.

    Raises:
        DamagedFile: a log is damaged or shorter than was recorded.
    """
    *ancestors, _ = chain(cell, attempt)
    return [row for one, stops in ancestors for row in _read(one, log, stops)]


def chain(cell: CellDir, attempt: AttemptDir) -> list[tuple[AttemptDir, Mapping[str, int] | None]]:
    """The attempts that led to ``attempt`` and itself, oldest first.

    Beside each stands up to which byte its logs count, by the log's name; None: to their ends.
    """
    parts: list[tuple[AttemptDir, Mapping[str, int] | None]] = [(attempt, None)]
    parent = ownership.read_start(attempt)["parent"]
    while parent is not None:
        ancestor = cell.attempt(parent["attempt"])
        parts.append((ancestor, parent["offsets"]))
        parent = ownership.read_start(ancestor)["parent"]
    return parts[::-1]


def _read(
    attempt: AttemptDir, log: LogName, stops: Mapping[str, int] | None
) -> list[dict[str, Any]]:
    return record.read_log(attempt.log(log), stop=None if stops is None else stops[log]).rows


def standing(cell: CellDir) -> AttemptDir | None:
    """The attempt that a cell's results lead up to: the finished one, or the newest.

    None where none was begun.

    Raises:
        DamagedFile: a finished result is not as it was when it was finished.
    """
    attempt = cell.finished()
    if attempt is not None:
        done.read(attempt)
        return attempt
    return next(reversed(cell.attempts()), None)


def marks(cell: CellDir, attempt: AttemptDir) -> list[str]:
    """In which ways a result is not what an undisturbed run would have given; mostly none.

    "changed": it was continued under another protocol, revision or versions; "inexact": an episode
    of a simulator that does not repeat itself was dropped.
    """
    events = read_chain(cell, attempt, "events")
    return sorted({row["mark"] for row in events if row["event"] == "marked"})


def planning_gap(returns: Mapping[str, float | None]) -> float | None:
    """What planning adds: mean return of the planner less that of the policy's mean.

    None for an agent that does not plan.

    Args:
        returns: mean return by mode.
    """
    planner, policy = returns.get("plan"), returns.get("mean")
    return None if planner is None or policy is None else planner - policy


def by_episode(evaluation: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The `EPISODE_COLUMNS` of each episode of one row of evals.jsonl."""
    return zip(*(evaluation[name] for name in EPISODE_COLUMNS), strict=True)


def cells(root: Path) -> list[CellDir]:
    """All cells of an experiment.

    Raises:
        UsageError: there are none.
    """
    found = find_cells(root)
    if not found:
        msg = f"no results in {root}: expected an experiment's folder, as given to run --out"
        raise UsageError(msg)
    return found


def rows(cell: CellDir) -> list[dict[str, Any]]:
    """A cell's rows of the long table, see `longtable`; none where nothing was begun.

    The status is that of a finished result; what an unfinished cell is now its logs do not say.

    Raises:
        DamagedFile: a file of it cannot be read.
    """
    attempt = standing(cell)
    if attempt is None:
        return []
    identity = manifest.read(cell)
    evaluations = read_chain(cell, attempt, "evals")
    shared = {
        **dataclasses.asdict(cell.cell),
        **{name: identity[name] for name in ("suite", "metric", "fingerprint", "revision")},
        "status": done.read(attempt)["status"] if attempt.done.exists() else "",
        "marks": ",".join(marks(cell, attempt)),
    }
    returns: dict[int, dict[str, float | None]] = {}
    for found in evaluations:
        returns.setdefault(found["env_step"], {})[found["mode"]] = mean(found["return"])
    return [
        {
            **shared,
            **_measured(found, identity),
            "headline": found["mode"] == evaluations[0]["mode"],
            "gap": planning_gap(returns[found["env_step"]]) if found["mode"] == "plan" else None,
        }
        for found in evaluations
    ]


def _measured(evaluation: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    """What one row of evals.jsonl says, in the columns of the long table."""
    success = mean(evaluation["success_last"])
    episode_return = mean(evaluation["return"])
    value = episode_return if identity["metric"] == "return" else success
    top = identity["score_max"]
    return {
        "mode": evaluation["mode"],
        "env_step": evaluation["env_step"],
        "value": value,
        "score": None if value is None or top is None else value / top,
        "return": episode_return,
        "success": success,
        "episodes": len(evaluation["return"]),
    }


def mean(values: list[float | bool | None]) -> float | None:
    """Mean over episodes; None where the suite has no such value."""
    numbers = [float(value) for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None
