"""What training has taken up to every environment step: hours and updates, from a cell's logs.

The training log of a cell may be long, so it is read at some places spread over its length only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdmpc2_bench import record, results, sources
from tdmpc2_bench.celldir import AttemptDir, Cell, CellDir
from tdmpc2_bench.errors import DamagedFile

_PLACES = 48  # at which the log of an attempt is read
_STRETCH = 8_192  # bytes read at each: more than two lines have
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Effort:
    """Hours and updates along one cell's training; both grow with the environment steps."""

    steps: NDArray[np.int64]
    hours: NDArray[np.float64]  # of wall time in which the cell was trained or evaluated
    updates: NDArray[np.float64]

    def at(self, steps: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Hours and updates at some environment steps, between those read; NaN beyond them."""
        wanted = np.asarray(steps, dtype=np.float64)
        return (
            np.interp(wanted, self.steps, self.hours, right=np.nan),
            np.interp(wanted, self.steps, self.updates, right=np.nan),
        )


def of(cell: CellDir) -> Effort | None:
    """What a cell has taken, along the attempts that led to its result; None without a log.

    Time in which no process worked on it does not count.

    Raises:
        DamagedFile: a file of it cannot be read.
    """
    attempt = results.standing(cell)
    if attempt is None:
        return None
    steps, seconds, updates = [0], [0.0], [0]
    for one, stops in results.chain(cell, attempt):
        before, times = seconds[-1], _times(one)
        for row in _sampled(one.train, None if stops is None else stops["train"]):
            if times and row["env_step"] > steps[-1]:
                steps.append(int(row["env_step"]))
                seconds.append(max(before + row["time"] - times[0], seconds[-1]))
                updates.append(int(row["updates"]))
    if len(steps) == 1:
        return None
    if attempt.done.exists():  # training may end within an episode, which then has no line
        end = record.read_json(attempt.done)
        seconds.append(max(seconds[-1], before + _times(attempt)[-1] - _times(attempt)[0]))
        steps.append(int(end["env_step"]))
        updates.append(int(end["updates"]))
    hours = np.array(seconds) / _SECONDS_PER_HOUR
    return Effort(np.array(steps), hours, np.array(updates, dtype=np.float64))


def _times(attempt: AttemptDir) -> list[float]:
    """When anything happened to an attempt's process, its beginning first; since the epoch."""
    return [float(row["time"]) for row in record.read_log(attempt.events).rows]


def _sampled(path: Path, stop: int | None) -> Iterator[dict[str, Any]]:
    """Whole lines of a log at places spread over it, the first and the last among them."""
    if not path.exists():
        return
    end = path.stat().st_size if stop is None else stop
    with path.open("rb") as file:
        for place in np.linspace(0, end, _PLACES, dtype=np.int64):
            begin = int(place) if place < end else max(0, end - _STRETCH)
            file.seek(begin)
            data = file.read(min(_STRETCH, end - begin))
            lines = data.splitlines(keepends=True)
            found = (record.decode_line(line) for line in (lines if place < end else lines[::-1]))
            row = next((row for row in found if row is not None), None)
            if row is not None:
                yield row


def in_folder(folder: Path) -> dict[Cell, Effort]:
    """What every cell has taken of the experiment that ``folder`` is, or is a part of.

    Cells without a training log, and those whose logs cannot be read, are left out. Empty where
    the folder is none of an experiment.
    """
    found: dict[Cell, Effort] = {}
    for cell in sources.cells(folder):
        try:
            effort = of(cell)
        except (DamagedFile, OSError):
            continue  # whoever reads the evaluations says so
        if effort is not None:
            found[cell.cell] = effort
    return found
