"""A point that is pushed to a goal: the whole simulator of the toy suite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome

_PUSH = 0.1  # change of position per environment step at full action
_REACHED = 0.1  # distance to the goal that counts as success
_SIZE = 120  # pixels of a picture's side
_DOT = 4  # pixels from a dot's centre to its edge


class Point:
    """Positions and goals uniform in [-1, 1] per axis; reward 1 at the goal, falling to 0."""

    steps_per_second = 20.0  # for the eye: there is no time in it

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

    def render(self) -> NDArray[np.uint8]:
        """The point in blue and the goal in red on white; a line where there is one axis."""
        picture = np.full((_SIZE, _SIZE, 3), 255, np.uint8)
        for place, colour in ((self._goal, (200, 60, 40)), (self._position, (30, 90, 200))):
            x, y = np.append(place, 0.0)[:2]
            column, row = (np.array([x + 1.2, 1.2 - y]) / 2.4 * _SIZE).astype(int)
            picture[row - _DOT : row + _DOT, column - _DOT : column + _DOT] = colour
        return picture

    def close(self) -> None:
        """Nothing to release."""

    def _observation(self) -> NDArray[np.float64]:
        return np.concatenate([self._position, self._goal])
