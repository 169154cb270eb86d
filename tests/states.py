"""States of agents, compared."""

from __future__ import annotations

from typing import Any

import numpy as np


def equal(one: Any, other: Any) -> bool:
    """Whether two nested states are bit for bit the same."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)
