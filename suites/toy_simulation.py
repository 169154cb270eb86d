"""A point that is pushed to a goal: the whole simulator of the toy suite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome

_PUSH = 0.1  # change of position per environment step at full action
_REACHED = 0.1  # distance to the goal that counts as success


class Point:
    """Positions and goals uniform in [-1, 1] per axis; reward 1 at the goal, falling to 0."""

    def __init__(self, axes: int) -> None:
        """Build a point that moves along ``axes`` axes."""
        self._axes = axes
        self._position: NDArray[np.float64] = np.zeros(axes)
        self._goal: NDArray[np.float64] = np.zeros(axes)

    def reset(self, seed: int) -> NDArray[Any]:
        """Draw position and goal."""
        rng = np.random.default_rng(seed)
        self._position, self._goal = rng.uniform(-1, 1, (2, self._axes))
        return self._observation()

    def step(self, action: FloatArray) -> Outcome:
        """Push the point."""
        self._position = np.clip(self._position + _PUSH * action, -1, 1)
        distance = float(np.linalg.norm(self._position - self._goal))
        reward = float(np.exp(-distance))
        return Outcome(self._observation(), reward, success=distance < _REACHED)

    def close(self) -> None:
        """Nothing to release."""

    def _observation(self) -> NDArray[np.float64]:
        return np.concatenate([self._position, self._goal])
