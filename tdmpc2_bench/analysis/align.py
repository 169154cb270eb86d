"""Bringing curves onto common steps, and a curve's end to one number."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]
Values = NDArray[np.float64]


def mean_curve(steps: Sequence[Steps], values: Sequence[Values]) -> tuple[Steps, Values]:
    """Mean over seeds at the steps that all of them have; nothing is extrapolated.

    Args:
        steps: per seed, increasing environment steps, shape (n,).
        values: per seed, one value per step.

    Returns:
        Common steps and the mean values there.

    Raises:
        ValueError: no seeds, or lengths that differ.
    """
    if not steps:
        msg = "expected at least one seed"
        raise ValueError(msg)
    common = functools.reduce(np.intersect1d, steps)
    rows = [value[np.searchsorted(step, common)] for step, value in zip(steps, values, strict=True)]
    return common, np.mean(rows, axis=0)


def on_grid(steps: Steps, values: Values, grid: Steps, carry: int) -> Values:
    """Values of one run at the steps of a grid: the last evaluation there or shortly before.

    Nothing is interpolated and nothing extrapolated. An evaluation that is not a number is none.

    Args:
        steps: increasing environment steps of the run's evaluations, shape (n,).
        values: one value per step.
        grid: environment steps asked for, shape (m,).
        carry: how many environment steps a value may be carried on: one evaluation interval.

    Returns:
        Values on the grid, shape (m,); NaN where the run has none so recent.

    Raises:
        ValueError: steps that do not increase, lengths that differ, a negative carry.
    """
    if carry < 0:
        msg = f"carry is {carry}; expected one evaluation interval in environment steps, or 0"
        raise ValueError(msg)
    steps, values = _finite(steps, values)
    if not len(steps):
        return np.full(len(grid), np.nan)
    last = np.searchsorted(steps, grid, side="right") - 1
    recent = (last >= 0) & (grid - steps[last] <= carry)
    return np.where(recent, values[last], np.nan)


def final_score(values: Values, k: int) -> float:
    """Mean of a run's last k evaluations; never their maximum.

    Args:
        values: one value per evaluation, in order. Those that are not numbers are left out, so
            that a diverged run keeps what it had.
        k: how many; a run with fewer has the mean of all. State it beside the number.

    Returns:
        The mean, NaN for a run without any evaluation.

    Raises:
        ValueError: k below 1.
    """
    if k < 1:
        msg = f"k is {k}; expected the number of evaluations to average, 1 or more"
        raise ValueError(msg)
    found = values[np.isfinite(values)][-k:]
    return float(found.mean()) if len(found) else float("nan")


def _finite(steps: Steps, values: Values) -> tuple[Steps, Values]:
    """The evaluations that are numbers, once their steps are seen to be in order."""
    if len(steps) != len(values):
        msg = f"{len(values)} values for {len(steps)} steps; expected one value per step"
        raise ValueError(msg)
    if (np.diff(steps) <= 0).any():
        msg = "steps do not increase; sort the run's evaluations and average repeated steps first"
        raise ValueError(msg)
    finite = np.isfinite(values)
    return steps[finite], values[finite]
