"""What a number rests on: how many seeds and tasks, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.analysis.aggregate import Scores, counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Stands beside every number."""

    tasks: int  # with at least one run
    tasks_planned: int
    seeds_min: int  # runs of a task that has any, at least
    seeds_max: int  # and at most
    runs: int  # with a score, diverged ones that kept one among them
    missing: int  # planned and without a score
    diverged: int

    @classmethod
    def of(
        cls,
        scores: Scores,
        *,
        planned: NDArray[np.bool_] | None = None,
        diverged: NDArray[np.bool_] | None = None,
    ) -> Coverage:
        """Count.

        Args:
            scores: shape (runs, tasks), NaN where there is no score.
            planned: which entries were meant to have one; all of them when not given.
            diverged: which runs diverged, whether they kept a score or not.

        Raises:
            ValueError: shapes that differ.
        """
        planned = np.ones(scores.shape, np.bool_) if planned is None else planned
        diverged = np.zeros(scores.shape, np.bool_) if diverged is None else diverged
        if not scores.shape == planned.shape == diverged.shape:
            msg = f"shapes {scores.shape}, {planned.shape}, {diverged.shape}; expected the same"
            raise ValueError(msg)
        per_task = counts(scores)
        some = per_task[per_task > 0]
        return cls(
            tasks=len(some),
            tasks_planned=int((planned.any(axis=0) | (per_task > 0)).sum()),
            seeds_min=int(some.min(initial=scores.shape[0])) if len(some) else 0,
            seeds_max=int(some.max(initial=0)),
            runs=int(per_task.sum()),
            missing=int((planned & np.isnan(scores)).sum()),
            diverged=int(diverged.sum()),
        )

    @property
    def complete(self) -> bool:
        """Whether all that was planned has a score and nothing diverged."""
        return not self.missing and not self.diverged

    def describe(self) -> str:
        """One line: `3 seeds x 104 tasks`, `2-3 seeds x 103 of 104 tasks, 5 runs missing`."""
        seeds = f"{self.seeds_min}-{self.seeds_max}"
        seeds = str(self.seeds_max) if self.seeds_min == self.seeds_max else seeds
        of = "" if self.tasks == self.tasks_planned else f" of {self.tasks_planned}"
        line = f"{seeds} {_plural('seed', self.seeds_max)} x {self.tasks}{of} "
        line += _plural("task", self.tasks_planned)
        line += f", {self.missing} {_plural('run', self.missing)} missing" if self.missing else ""
        return line + (f", {self.diverged} diverged" if self.diverged else "")


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
