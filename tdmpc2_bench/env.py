"""How a simulator becomes an environment: one `gymnasium.Env` for all suites.

A suite supplies a `Simulation`, the thinnest possible view of its simulator; `TaskEnv` adds what
every task of the benchmark promises alike: float32 spaces, action repeat with summed rewards, the
time limit as truncation, no shared memory, clear errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.errors import InvalidAction, UsageError
from tdmpc2_bench.task import Task

FloatArray = NDArray[np.float32]


class Outcome(NamedTuple):
    """What one environment step brought."""

    obs: NDArray[Any]  # shape (obs_dim,), any float type
    reward: float
    terminated: bool = False  # a true end of the episode; never a time limit
    truncated: bool = False  # the simulator itself ended the episode, for no reason in its state
    success: bool | None = None  # None where the suite has no notion of success


class Simulation(Protocol):
    """A simulator seen from the harness: explicit seeds, single environment steps."""

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` names and return its first observation, (obs_dim,)."""

    def step(self, action: FloatArray) -> Outcome:
        """Advance one environment step with ``action`` in [-1, 1], shape (action_dim,)."""

    def close(self) -> None:
        """Release the simulator."""


@runtime_checkable
class Drawable(Protocol):
    """A simulation that can also be looked at."""

    steps_per_second: float  # environment steps in a second of simulated time

    def render(self) -> NDArray[np.uint8]:
        """A picture of the present state, (height, width, 3)."""


@runtime_checkable
class Telling(Protocol):
    """A simulation that says how it runs here, where there is more than one way to."""

    facts: Mapping[str, str]  # for the record only: results do not depend on them


class TaskEnv(gymnasium.Env[FloatArray, FloatArray]):
    """A task as a standard gymnasium environment.

    Observations are float32 vectors of shape (obs_dim,), actions float32 vectors in [-1, 1] of
    shape (action_dim,). One `step` is one agent step. Equal seeds give equal episodes, whatever
    was played before. ``info["success"]`` is present where the suite defines success, and is that
    of the last environment step.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - gymnasium's own

    def __init__(self, task: Task, simulation: Simulation) -> None:
        """Wrap ``simulation`` as ``task``."""
        self.task = task
        self.observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (task.obs_dim,), dtype=np.float32
        )
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_dim,), dtype=np.float32)
        self.simulation = simulation
        self._agent_steps_left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start an episode; without ``seed``, the next one of the environment's own stream."""
        super().reset(seed=seed)
        del options  # part of gymnasium's signature; no task has any
        # The first episode after reset(seed=s) is that of s itself, so that it can be named.
        episode_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        obs = self.simulation.reset(episode_seed)
        self._agent_steps_left = self.task.episode_agent_steps
        return self._observation(obs), {}

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Apply ``action`` for ``action_repeat`` environment steps and sum their rewards.

        Raises:
            InvalidAction: wrong shape, or the episode is over.
        """
        action = self._checked(action)
        reward = 0.0
        for _ in range(self.task.action_repeat):
            outcome = self.simulation.step(action)
            reward += float(outcome.reward)
            if outcome.terminated or outcome.truncated:
                break
        self._agent_steps_left -= 1
        truncated = (outcome.truncated or self._agent_steps_left == 0) and not outcome.terminated
        if outcome.terminated or truncated:
            self._agent_steps_left = 0
        info = {} if outcome.success is None else {"success": bool(outcome.success)}
        return self._observation(outcome.obs), reward, outcome.terminated, truncated, info

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override] # one mode, so one type
        """A picture of the present state, uint8 of shape (height, width, 3).

        Raises:
            UsageError: the suite's simulator cannot be drawn.
        """
        return self._drawable.render()

    @property
    def facts(self) -> Mapping[str, str]:
        """How the simulator runs here, for the record; empty where there is but one way."""
        return self.simulation.facts if isinstance(self.simulation, Telling) else {}

    @property
    def frames_per_second(self) -> float:
        """Agent steps in a second of simulated time: a film at this rate plays in real time."""
        return self._drawable.steps_per_second / self.task.action_repeat

    @property
    def _drawable(self) -> Drawable:
        if not isinstance(self.simulation, Drawable):
            msg = f"tasks of suite {self.task.suite!r} cannot be drawn"
            raise UsageError(msg)
        return self.simulation

    def close(self) -> None:
        """Release the simulator."""
        self.simulation.close()

    def _checked(self, action: FloatArray) -> FloatArray:
        if self._agent_steps_left <= 0:
            msg = (
                f"the episode of {self.task.name!r} is over or was never begun; call reset() first"
            )
            raise InvalidAction(msg)
        action = np.asarray(action, dtype=np.float32)
        if action.shape != (self.task.action_dim,):
            msg = (
                f"expected an action of shape ({self.task.action_dim},) for {self.task.name!r}, "
                f"got {action.shape}"
            )
            raise InvalidAction(msg)
        return np.clip(action, -1.0, 1.0)

    @staticmethod
    def _observation(obs: NDArray[Any]) -> FloatArray:
        return np.array(obs, dtype=np.float32)  # a copy: callers may keep or change it
