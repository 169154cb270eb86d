"""Bringing curves of several seeds onto common steps."""

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
