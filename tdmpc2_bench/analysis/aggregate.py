"""What the scores of many runs come to: one number, a profile, an area, a step.

`scores` has shape (..., runs, tasks) everywhere: normalised scores, NaN where a task has no such
run, so that tasks may have different numbers of seeds. Leading axes are batches (environment
steps, bootstrap resamples) and every function works on all of them at once. Where a task has no
run at all the result is NaN: leave the task out on purpose, and let `coverage` say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]


def task_means(scores: Scores) -> Scores:
    """Mean over the runs of every task, shape (..., tasks); NaN for a task without runs."""
    return _per_run(np.nansum(scores, axis=-2), counts(scores))


def counts(scores: Scores) -> NDArray[np.int64]:
    """Count the runs of every task, shape (..., tasks).

    Raises:
        ValueError: no axes of runs and tasks, or an empty one.
    """
    if scores.ndim < 2 or 0 in scores.shape:  # noqa: PLR2004 (runs and tasks)
        msg = f"scores of shape {scores.shape}; expected (..., runs, tasks), none of them empty"
        raise ValueError(msg)
    return np.asarray(np.count_nonzero(~np.isnan(scores), axis=-2))


def mean(scores: Scores) -> Scores:
    """Mean over tasks of the mean over runs, shape (...).

    Every task counts the same, however many runs it has. A few very low tasks move it.
    """
    return np.asarray(task_means(scores).mean(axis=-1))


def median(scores: Scores) -> Scores:
    """Median over tasks of the mean over runs, shape (...).

    Source: the usual summary before Agarwal et al. 2021, who show how much it varies: nothing but
    the middle task, or two, decides it.
    """
    return np.asarray(np.median(task_means(scores), axis=-1))


def iqm(scores: Scores) -> Scores:
    """Interquartile mean over all runs of all tasks, shape (...).

    The mean of what is left when a quarter of the values is cut off at either end, that quarter
    rounded down to whole values: `scipy.stats.trim_mean(values, 0.25)`. Every run counts the
    same, so a task with more runs counts more.

    Source: Agarwal et al. 2021, section 4.3.
    """
    per_task = counts(scores)
    values = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)  # NaN comes last
    values = values.reshape(-1, values.shape[-1])
    sizes = np.where(per_task.all(axis=-1), per_task.sum(axis=-1), 0).reshape(-1)
    result = np.full(len(values), np.nan)
    for size in np.unique(sizes[sizes > 0]):
        cut = size // 4
        result[sizes == size] = values[sizes == size, cut : size - cut].mean(axis=-1)
    return result.reshape(scores.shape[:-2])


def optimality_gap(scores: Scores, target: float = 1.0) -> Scores:
    """How far below the target runs are on average, shape (...); what is above does not make up.

    Every task counts the same. Where the interquartile mean is near its ceiling, this still tells
    how much is left.

    Source: Agarwal et al. 2021, section 4.3.
    """
    return mean(np.maximum(target - scores, 0.0))


def performance_profile(scores: Scores, thresholds: ArrayLike) -> Scores:
    """Fraction of runs above each threshold, shape (..., thresholds); every task counts the same.

    Args:
        scores: shape (..., runs, tasks).
        thresholds: scores, shape (thresholds,); a run counts when it is strictly above.

    Source: Agarwal et al. 2021, section 4.2 (run-score distributions).
    """
    per_task = counts(scores)
    above = [
        _per_run(np.count_nonzero(scores > threshold, axis=-2), per_task).mean(axis=-1)
        for threshold in np.asarray(thresholds)
    ]
    return np.stack(above, axis=-1)


def probability_of_improvement(x: Scores, y: Scores) -> Scores:
    """How likely a run of X beats a run of Y on a task drawn at random, shape (...).

    Per task the Mann-Whitney probability P(X > Y) + P(X = Y) / 2 over all pairs of runs, then the
    mean over tasks. It tells how often, and not by how much.

    Args:
        x: scores of one agent, shape (..., runs, tasks).
        y: scores of the other on the same tasks; the number of runs may differ.

    Raises:
        ValueError: numbers of tasks that differ.

    Source: Agarwal et al. 2021, section 4.3.
    """
    if x.shape[-1] != y.shape[-1]:
        msg = f"{x.shape[-1]} tasks and {y.shape[-1]}; expected scores of the same tasks"
        raise ValueError(msg)
    pairs = counts(x) * counts(y)
    mine, other = x[..., :, None, :], y[..., None, :, :]
    wins = (mine > other).sum(axis=(-3, -2)) + (mine == other).sum(axis=(-3, -2)) / 2
    return np.asarray(_per_run(wins, pairs).mean(axis=-1))


def area_under_curve(steps: NDArray[np.int64], curves: Scores) -> Scores:
    """Mean height of a curve between its first and last step, in score.

    Args:
        steps: environment steps of a common grid, increasing, shape (steps,).
        curves: one value per step, shape (steps, ...).

    Returns:
        Shape (...): the area by trapezoids, divided by its length. NaN for a curve that misses a
        value: a shorter curve has another mean.

    Raises:
        ValueError: fewer than two steps, or another number of values.
    """
    _check_steps(steps, curves, fewest=2)
    widths = np.diff(steps) / (steps[-1] - steps[0])
    return np.tensordot(widths, (curves[1:] + curves[:-1]) / 2, axes=1)


def steps_to(steps: NDArray[np.int64], curves: Scores, target: float) -> Scores:
    """First environment step with an evaluation at or above the target.

    An evaluated step, not one interpolated between two: the curve reached the target somewhere in
    the interval before it.

    Args:
        steps: environment steps of a common grid, increasing, shape (steps,).
        curves: one value per step, shape (steps, ...); NaN reaches nothing.
        target: a score.

    Returns:
        Shape (...); infinity where the curve never reaches it. Take the median over runs, not
        the mean.

    Raises:
        ValueError: no steps, or another number of values.
    """
    _check_steps(steps, curves, fewest=1)
    reached = curves >= target
    return np.where(reached.any(axis=0), steps[reached.argmax(axis=0)], np.inf)


def at_budget(steps: NDArray[np.int64], curves: Scores, budget: int) -> Scores:
    """Scores at one step of the grid: sample efficiency is an aggregate of these at few steps.

    Args:
        steps: environment steps of a common grid, increasing, shape (steps,).
        curves: one value per step, shape (steps, ...), for instance (steps, runs, tasks).
        budget: environment steps, one of the grid's.

    Returns:
        Shape (...).

    Raises:
        ValueError: the budget is not on the grid.
    """
    _check_steps(steps, curves, fewest=1)
    place = np.flatnonzero(steps == budget)
    if len(place) != 1:
        msg = f"no step {budget} on the grid from {steps[0]} to {steps[-1]}; put it there first"
        raise ValueError(msg)
    return np.asarray(curves[place[0]])


def _per_run(totals: NDArray[Any], number: NDArray[np.int64]) -> Scores:
    """Divide; NaN where there is nothing to divide by."""
    empty = np.full(totals.shape, np.nan)
    return np.asarray(np.divide(totals, number, out=empty, where=number > 0))


def _check_steps(steps: NDArray[np.int64], curves: Scores, *, fewest: int) -> None:
    if len(steps) < fewest or len(steps) != len(curves):
        msg = (
            f"{len(steps)} steps and values of shape {curves.shape}; "
            f"expected {fewest} or more steps and values of shape (steps, ...)"
        )
        raise ValueError(msg)


# The summaries of scores at one place in training, by name.
STATISTICS: Mapping[str, Callable[[Scores], Scores]] = {
    "iqm": iqm,
    "mean": mean,
    "median": median,
    "optimality_gap": optimality_gap,
}
