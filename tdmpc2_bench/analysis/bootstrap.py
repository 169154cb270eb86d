"""How far a number would move with other seeds: the stratified bootstrap.

The seeds of every task are drawn again with replacement, as many as there are; tasks are not. The
draws are made once and applied to any array of the same runs and tasks, so that all points of a
curve and its area see the same seeds. Two agents need draws of their own; two arrays of the same
cells (planner and policy) share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdmpc2_bench.analysis.aggregate import Scores, counts

REPS = 2000
LEVEL = 0.95
_BATCH = 500_000  # values held at once: about what a cache holds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interval:
    """A number, or one per batch, with its percentile interval and how that was made."""

    point: Scores
    low: Scores
    high: Scores
    level: float
    reps: int
    seed: int

    @property
    def method(self) -> str:
        """What must stand beside the numbers."""
        level = f"{100 * self.level:g} %"
        return f"{level} stratified bootstrap, {self.reps} resamples, seed {self.seed}"

    def describe(self) -> str:
        """Numbers and method in a line; for a single number."""
        return f"{self.point:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.method})"


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """Which seeds every resample takes, drawn once.

    Kept as numbers in [0, 1) rather than as seeds: the n runs that a task has at some step are
    taken by them evenly, whatever n is there.
    """

    uniforms: NDArray[np.float64]  # (reps, runs, tasks)
    seed: int

    @classmethod
    def draw(
        cls, rng: np.random.Generator, *, runs: int, tasks: int, seed: int, reps: int = REPS
    ) -> Resamples:
        """Draw for scores of shape (..., runs, tasks).

        Args:
            rng: random numbers; give each agent's draws others, for instance by `rng.spawn`.
            runs: runs that a task has at most.
            tasks: tasks.
            seed: what `rng` was made from, to be printed with every interval.
            reps: resamples.
        """
        return cls(rng.random((reps, runs, tasks)), seed)

    @property
    def reps(self) -> int:
        """How many resamples."""
        return len(self.uniforms)

    def of_tasks(self, tasks: ArrayLike) -> Resamples:
        """Give the same draws for some of the tasks: a mask or their places."""
        return Resamples(self.uniforms[..., np.asarray(tasks)], self.seed)

    def batches(self, scores: Scores, size: int) -> Iterator[Scores]:
        """Resampled scores, at most `size` resamples at once: shape (size, ..., runs, tasks).

        A task has as many runs in every resample as in the scores; NaN fills up the others.

        Raises:
            ValueError: scores of other numbers of runs or tasks.
        """
        if scores.shape[-2:] != self.uniforms.shape[1:]:
            msg = (
                f"scores of {scores.shape[-2:]} runs and tasks; "
                f"these resamples were drawn for {self.uniforms.shape[1:]}"
            )
            raise ValueError(msg)
        packed, present = _pack(scores.reshape(-1, *scores.shape[-2:]))
        for start in range(0, self.reps, size):
            uniforms = self.uniforms[start : start + size]
            taken = _take(packed, present, uniforms)
            yield taken.reshape(len(uniforms), *scores.shape)


def resampled(
    statistic: Callable[..., Scores], *samples: tuple[Scores, Resamples]
) -> NDArray[np.float64]:
    """Values of a statistic in all resamples.

    Args:
        statistic: takes as many arrays of scores as there are samples, works on leading axes.
        samples: scores of shape (..., runs, tasks), and their resamples.

    Returns:
        Shape (reps, ...) and what axes the statistic adds.

    Raises:
        ValueError: different numbers of resamples.
    """
    reps = {draws.reps for _, draws in samples}
    if len(reps) != 1:
        msg = f"samples with {sorted(reps)} resamples; expected the same number for all"
        raise ValueError(msg)
    size = max(1, _BATCH // sum(scores.size for scores, _ in samples))
    batches = (draws.batches(scores, size) for scores, draws in samples)
    return np.concatenate([statistic(*batch) for batch in zip(*batches, strict=True)])


def interval(
    statistic: Callable[..., Scores], *samples: tuple[Scores, Resamples], level: float = LEVEL
) -> Interval:
    """Percentile interval of a statistic of one agent's scores, or of several agents'.

    For instance `interval(iqm, (x, of_x))`, or
    `interval(probability_of_improvement, (x, of_x), (y, of_y))`.

    Args:
        statistic: as in `resampled`.
        samples: as in `resampled`.
        level: what the interval claims to cover. With 3 seeds it covers less: docs/statistics.md.

    Raises:
        ValueError: a level outside (0, 1), different numbers of resamples.

    Source: Agarwal et al. 2021, section 4.1.
    """
    if not 0 < level < 1:
        msg = f"level is {level}; expected a fraction between 0 and 1, as 0.95"
        raise ValueError(msg)
    values = resampled(statistic, *samples)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    point = statistic(*(scores for scores, _ in samples))
    draws = samples[0][1]
    return Interval(point=point, low=low, high=high, level=level, reps=draws.reps, seed=draws.seed)


def _pack(scores: Scores) -> tuple[Scores, NDArray[np.int64]]:
    """Put every task's runs first and NaN last, in order; and count them: (batches, tasks)."""
    order = np.argsort(np.isnan(scores), axis=1, kind="stable")
    return np.take_along_axis(scores, order, axis=1), counts(scores)


def _take(packed: Scores, present: NDArray[np.int64], uniforms: NDArray[np.float64]) -> Scores:
    """Resample all batches: shape (reps, batches, runs, tasks).

    Batches with the same runs, as most steps of a curve have, are taken with one index.
    """
    _, runs, tasks = packed.shape
    flat = packed.reshape(len(packed), -1)
    taken = np.empty((len(uniforms), *packed.shape))
    patterns, of_batch = np.unique(present, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        places = (uniforms * pattern).astype(np.intp) * tasks + np.arange(tasks)
        for batch in np.flatnonzero(of_batch.reshape(-1) == number):
            taken[:, batch] = flat[batch][places]
        absent = np.arange(runs)[:, None] >= pattern
        if absent.any():
            for batch in np.flatnonzero(of_batch.reshape(-1) == number):
                taken[:, batch, absent] = np.nan
    return taken
