"""A cart on the top of a hill: the whole simulator of the suite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome

_DT = 0.1  # seconds in a step
_PUSH = 2.0  # acceleration at full action; the hill's own is the distance from its top
_END = 1.5  # distance from the top at which the cart is lost


class Hill:
    """Observes position and speed; the reward falls from 1 at the top to 0 at the ends."""

    def __init__(self) -> None:
        """Put the cart on the top."""
        self._state = np.zeros(2)

    def reset(self, seed: int) -> NDArray[np.float64]:
        """Start at rest near the top."""
        self._state[:] = np.random.default_rng(seed).uniform(-0.5, 0.5), 0.0
        return self._state

    def step(self, action: FloatArray) -> Outcome:
        """Push the cart; it is lost beyond the ends."""
        position, speed = self._state
        speed += _DT * (_PUSH * float(action[0]) + position)
        position += _DT * speed
        self._state[:] = position, speed
        reward = max(0.0, 1 - abs(position) / _END)
        return Outcome(self._state, reward, terminated=bool(abs(position) > _END))

    def close(self) -> None:
        """Nothing to release."""
