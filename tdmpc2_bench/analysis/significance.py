"""Could a difference between two agents be chance? The seed is the unit, tasks are strata.

All tests take scores of shape (runs, tasks) of two agents on the same tasks, NaN where a task has
no such run. The question is about these tasks: they are not a sample of others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdmpc2_bench.analysis.aggregate import (
    Scores,
    counts,
    mean,
    probability_of_improvement,
)
from tdmpc2_bench.analysis.bootstrap import Resamples

FEWEST_SEEDS_PER_TASK = 5  # below it a single task gets no mark: 3 v 3 cannot have p < 0.1
RELABELLINGS = 10_000
_Pool = tuple[NDArray[np.float64], int]  # all runs of a task, X's first, and how many are X's
_MOST_ENUMERATED = 100_000
_ROUNDING = 1e-9  # differences that equal the observed one up to this count as equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two agents: how large the difference is, and how easily chance makes one as large."""

    difference: float  # X - Y, mean over tasks of the difference of seed means, in score
    improvement: float  # probability that a run of X beats one of Y
    p: float  # two-sided, of the stratified permutation test
    p_adjusted: float  # by Holm over the tasks compared; p itself for one comparison
    exact: bool  # all relabellings were enumerated
    relabellings: int
    tasks: int
    seeds: int  # the fewest that a task has on either side

    def significant(self, level: float = 0.05) -> bool:
        """Whether it deserves a mark; a single task with fewer than 5 seeds never does."""
        enough = self.tasks > 1 or self.seeds >= FEWEST_SEEDS_PER_TASK
        return enough and self.p_adjusted <= level


@dataclass(frozen=True, slots=True, kw_only=True)
class FalsePositives:
    """How often a test finds a difference where there is none."""

    rate: float
    error: float  # standard error of the rate, by the number of trials
    level: float  # what the rate should not exceed
    trials: int


def compare(
    x: Scores, y: Scores, rng: np.random.Generator, *, relabellings: int = RELABELLINGS
) -> Comparison:
    """Stratified permutation test of two agents over all given tasks together.

    Were the agents the same, the labels of a task's runs would mean nothing. So labels are
    exchanged within every task, and p is the fraction of relabellings whose difference is at least
    as far from zero as the observed one. All are enumerated where they are at most 100,000; else
    some are drawn, and the observed one is counted among them (p is never 0).

    Args:
        x: scores of one agent, shape (runs, tasks).
        y: scores of the other on the same tasks.
        rng: random numbers for relabellings.
        relabellings: how many are drawn where there are too many to enumerate.

    Raises:
        ValueError: different tasks, or a task without a run on either side.
    """
    present = _check(x, y)
    pools = [_pool(x, y, task) for task in range(x.shape[1])]
    exact = math.prod(math.comb(len(pool), size) for pool, size in pools) <= _MOST_ENUMERATED
    chance = _enumerated(pools) if exact else _drawn(pools, rng, relabellings)
    difference = float(mean(x) - mean(y))
    as_far = np.abs(chance) >= abs(difference) - _ROUNDING
    p = float(as_far.mean() if exact else (as_far.sum() + 1) / (relabellings + 1))
    return Comparison(
        difference=difference,
        improvement=float(probability_of_improvement(x, y)),
        p=p,
        p_adjusted=p,
        exact=exact,
        relabellings=len(chance),
        tasks=len(pools),
        seeds=int(present.min()),
    )


def compare_each_task(
    x: Scores, y: Scores, rng: np.random.Generator, *, relabellings: int = RELABELLINGS
) -> list[Comparison]:
    """Compare task by task, with p adjusted by Holm over the tasks.

    Arguments and errors are those of `compare`. With fewer than 5 seeds these are descriptions:
    no task can be significant.
    """
    _check(x, y)
    each = [
        compare(x[:, [task]], y[:, [task]], rng, relabellings=relabellings)
        for task in range(x.shape[1])
    ]
    adjusted = holm([one.p for one in each])
    return [replace(one, p_adjusted=float(p)) for one, p in zip(each, adjusted, strict=True)]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values of several tests, so that any false positive at all is as rare as the level.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none may fall below the one
    before, nor exceed 1. Tests may depend on each other.

    Args:
        p_values: shape (tests,).

    Returns:
        Adjusted p values, in the order given.

    Raises:
        ValueError: values outside [0, 1].

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        msg = f"p values {p.tolist()}; expected numbers between 0 and 1"
        raise ValueError(msg)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def aa_control(
    scores: Scores,
    test: Callable[[Scores, Scores], float],
    rng: np.random.Generator,
    *,
    trials: int = 400,
    level: float = 0.05,
) -> FalsePositives:
    """How often a test finds that an agent differs from itself.

    Both sides of every trial are drawn from the agent's own seeds, per task, with replacement and
    as many as there are. No assumption on their distribution, but ties: with 3 seeds few
    different samples exist.

    Args:
        scores: one agent's, shape (runs, tasks).
        test: two arrays of scores to a p value, for instance
            `lambda x, y: compare(x, y, rng, relabellings=999).p`.
        rng: random numbers for the draws.
        trials: how many comparisons.
        level: p values up to here count as a difference found.
    """
    runs, tasks = scores.shape
    sides = [
        next(
            Resamples.draw(rng, runs=runs, tasks=tasks, seed=0, reps=trials).batches(scores, trials)
        )
        for _ in range(2)
    ]
    found = [test(x, y) <= level for x, y in zip(*sides, strict=True)]
    rate = float(np.mean(found))
    error = math.sqrt(rate * (1 - rate) / trials)
    return FalsePositives(rate=rate, error=error, level=level, trials=trials)


def _check(x: Scores, y: Scores) -> NDArray[np.int64]:
    """Count the runs of both sides, shape (2, tasks)."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:  # noqa: PLR2004 (runs and tasks)
        msg = f"shapes {x.shape} and {y.shape}; expected (runs, tasks), the same tasks in both"
        raise ValueError(msg)
    present = np.stack([counts(x), counts(y)])
    if not present.all():
        without = np.flatnonzero(~present.all(axis=0)).tolist()
        msg = f"tasks {without} have no run on one side; compare tasks that both agents have"
        raise ValueError(msg)
    return present


def _pool(x: Scores, y: Scores, task: int) -> _Pool:
    """Put a task's runs together."""
    mine, other = (side[:, task][~np.isnan(side[:, task])] for side in (x, y))
    return np.concatenate([mine, other]), len(mine)


def _enumerated(pools: list[_Pool]) -> NDArray[np.float64]:
    """Differences between the agents for every relabelling within tasks."""
    totals = np.zeros(1)
    for pool, size in pools:
        chosen = np.array(list(itertools.combinations(range(len(pool)), size)))
        differences = _difference(pool, pool[chosen].sum(axis=1), size)
        totals = np.add.outer(totals, differences).reshape(-1)
    return totals / len(pools)


def _drawn(pools: list[_Pool], rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    """Differences between the agents for random relabellings within tasks."""
    totals = np.zeros(number)
    for pool, size in pools:
        shuffled = rng.permuted(np.broadcast_to(pool, (number, len(pool))), axis=1)
        totals += _difference(pool, shuffled[:, :size].sum(axis=1), size)
    return totals / len(pools)


def _difference(
    pool: NDArray[np.float64], sums: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Mean of the chosen runs, whose sums are given, less that of the others."""
    return np.asarray(sums / size - (pool.sum() - sums) / (len(pool) - size))
