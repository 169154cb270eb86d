"""Do two agents score the same up to a margin? What a reproduction has to show.

That no difference was found proves nothing: with few seeds none is ever found. Equivalence turns
the burden round: the difference must be shown to lie within the margin.

Everything rests on the difference of the agents' means, each over the same tasks, whose variance
is the sum of the seeds' variances task by task (tasks are strata, not a sample). Three seeds tell
a task's variance badly, but many tasks tell the sum well; how well is Satterthwaite's number of
degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tdmpc2_bench.analysis.aggregate import Scores, counts, task_means

MARGIN = 0.05  # in score
FEWEST_TASKS = 5
FEWEST_SEEDS = 2

Verdict = Literal["match", "worse", "better", "inconclusive", "not enough"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Difference:
    """X - Y, each a mean over the same tasks, and how well it is known; arrays, one per batch."""

    estimate: Scores  # in score
    error: Scores  # standard error
    freedom: Scores  # degrees of freedom of the error; infinite where all seeds agree

    def p_above(self, bound: float) -> Scores:
        """One-sided p value of `the true difference is at most the bound`."""
        return np.asarray(stats.t.sf(self._t(bound), self.freedom))

    def p_zero(self) -> Scores:
        """Two-sided p value of `there is no difference` (Welch's test, stratified)."""
        return np.asarray(2 * stats.t.sf(np.abs(self._t(0.0)), self.freedom))

    def interval(self, level: float) -> tuple[Scores, Scores]:
        """Confidence limits of the true difference."""
        reach = self.error * stats.t.ppf((1 + level) / 2, self.freedom)
        return self.estimate - reach, self.estimate + reach

    def _t(self, bound: float) -> Scores:
        distance = self.estimate - bound
        certain = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
        return np.divide(distance, self.error, out=certain, where=self.error > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """A verdict on X against Y, with all that it was reached from."""

    verdict: Verdict
    difference: float  # X - Y in score; NaN where there is not enough
    low: float  # `match` means that low and high, the 1 - 2 x level limits, ...
    high: float  # ... lie within the margin
    p_equivalence: float  # the larger of the two one-sided tests
    p_difference: float  # two-sided
    freedom: float
    margin: float
    level: float
    tasks: int
    seeds: int  # the fewest that a task has on either side

    def describe(self) -> str:
        """One line, `match: -0.004 [-0.012, 0.004], margin 0.05, 104 tasks, 3 seeds`."""
        size = f"{self.tasks} tasks, {self.seeds} seeds"
        if self.verdict == "not enough":
            return f"not enough: {size}; needs {FEWEST_TASKS} tasks and {FEWEST_SEEDS} seeds"
        limits = f"{self.difference:.3f} [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.verdict}: {limits}, margin {self.margin:g}, {size}"


def stratified_difference(x: Scores, y: Scores) -> Difference:
    """Difference of two agents' means over tasks, with standard error and degrees of freedom.

    Args:
        x: scores of one agent, shape (..., runs, tasks), at least 2 runs of every task.
        y: scores of the other on the same tasks.

    Raises:
        ValueError: different tasks, or one with fewer than 2 runs.

    Source: Welch 1947; degrees of freedom after Satterthwaite 1946.
    """
    if x.shape[-1] != y.shape[-1]:
        msg = f"{x.shape[-1]} tasks and {y.shape[-1]}; expected scores of the same tasks"
        raise ValueError(msg)
    tasks = x.shape[-1]
    of_means = np.stack([_variance_of_mean(x), _variance_of_mean(y)])
    freedoms = np.stack([counts(x) - 1, counts(y) - 1])
    total = of_means.sum(axis=(0, -1))
    parts = (of_means**2 / freedoms).sum(axis=(0, -1))
    return Difference(
        estimate=np.mean(task_means(x) - task_means(y), axis=-1),
        error=np.sqrt(total) / tasks,
        freedom=np.divide(total**2, parts, out=np.full(total.shape, np.inf), where=parts > 0),
    )


def equivalence(
    x: Scores, y: Scores, *, margin: float = MARGIN, level: float = 0.05
) -> Equivalence:
    """Two one-sided tests (TOST) within a margin, stratified over tasks.

    `match`: both tests reject, so that the limits at 1 - 2 x level lie within the margin, however
    significant the difference is. Else `better` or `worse`: the two-sided test finds a difference
    at the level. Else `inconclusive`. `not enough`: fewer than 5 tasks, or a task with fewer than
    2 seeds.

    Args:
        x: scores of one agent, shape (runs, tasks), NaN where a task has no such run.
        y: scores of the other (the published ones) on the same tasks.
        margin: largest difference, in score, that counts as the same.
        level: false positives allowed, for the match and for the difference each.

    Raises:
        ValueError: different tasks; a margin that is not above 0.

    Source: Schuirmann 1987; Lakens 2017, Equivalence tests.
    """
    if not margin > 0:
        msg = f"margin is {margin}; expected a difference in score above 0"
        raise ValueError(msg)
    tasks = x.shape[-1]
    seeds = int(min(counts(x).min(), counts(y).min())) if tasks else 0
    if tasks < FEWEST_TASKS or seeds < FEWEST_SEEDS:
        return _not_enough(margin, level, tasks, seeds)
    found = stratified_difference(x, y)
    low, high = found.interval(1 - 2 * level)
    p_same = float(max(found.p_above(-margin), 1 - found.p_above(margin)))
    p_zero = float(found.p_zero())
    return Equivalence(
        verdict=_verdict(float(found.estimate), p_same <= level, p_zero <= level),
        difference=float(found.estimate),
        low=float(low),
        high=float(high),
        p_equivalence=p_same,
        p_difference=p_zero,
        freedom=float(found.freedom),
        margin=margin,
        level=level,
        tasks=tasks,
        seeds=seeds,
    )


def _verdict(difference: float, same: bool, different: bool) -> Verdict:  # noqa: FBT001
    if same:
        return "match"
    if different:
        return "better" if difference > 0 else "worse"
    return "inconclusive"


def _not_enough(margin: float, level: float, tasks: int, seeds: int) -> Equivalence:
    nan = float("nan")
    return Equivalence(
        verdict="not enough",
        difference=nan,
        low=nan,
        high=nan,
        p_equivalence=nan,
        p_difference=nan,
        freedom=nan,
        margin=margin,
        level=level,
        tasks=tasks,
        seeds=seeds,
    )


def _variance_of_mean(scores: Scores) -> NDArray[np.float64]:
    """Estimate the variance of every task's mean over seeds, shape (..., tasks)."""
    number = counts(scores)
    if number.min() < FEWEST_SEEDS:
        msg = (
            f"a task with {number.min()} runs; expected {FEWEST_SEEDS} or more, to have a variance"
        )
        raise ValueError(msg)
    squares = np.nansum((scores - task_means(scores)[..., None, :]) ** 2, axis=-2)
    return np.asarray(squares / (number * (number - 1)))
