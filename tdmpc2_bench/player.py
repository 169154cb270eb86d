"""A trained agent that acts outside the harness."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tdmpc2_bench import seeding, trained
from tdmpc2_bench.agent import Agent, FloatArray
from tdmpc2_bench.errors import UnknownName, UsageError
from tdmpc2_bench.task import Task


class Player:
    """Acts in one environment, remembering between the steps of an episode what it planned."""

    def __init__(self, agent: Agent, task: Task, trained_with: int, *, seed: int = 0) -> None:
        """Take over a trained one-lane agent.

        Args:
            agent: the agent.
            task: what it was trained on.
            trained_with: the seed it was trained with.
            seed: names the noise of its decisions here.
        """
        self.agent = agent
        self.task = task
        self.trained_with = trained_with
        self.modes = agent.modes
        self._seed = seed
        self._episode = -1
        self.reset()

    def reset(self) -> None:
        """Begin an episode: forget the plan, and draw from the episode's own noise."""
        self._episode += 1
        noise = seeding.stream(self._seed, self.task.name, "play", self._episode)
        self._carry = self.agent.carry(1, [noise])
        self._first = True

    def act(self, obs: FloatArray, mode: str | None = None) -> FloatArray:
        """Choose an action, shape (action_dim,), in [-1, 1].

        Args:
            obs: shape (obs_dim,).
            mode: one of ``modes``; None: the first, for TD-MPC2 "plan".

        Raises:
            UsageError: an observation of another shape.
            UnknownName: no such mode.
        """
        mode = self.modes[0] if mode is None else mode
        if mode not in self.modes:
            raise UnknownName("mode", mode, self.modes, hint=f"There are: {', '.join(self.modes)}.")
        x = np.asarray(obs, np.float32)
        if x.shape != (self.task.obs_dim,):
            msg = (
                f"expected an observation of shape ({self.task.obs_dim},) for "
                f"{self.task.name!r}, got {x.shape}"
            )
            raise UsageError(msg)
        first = np.array([[self._first]])
        actions, self._carry, _ = self.agent.act(x[None, None], self._carry, first=first, mode=mode)
        self._first = False
        action: FloatArray = actions[0, 0]
        return action


def load_agent(path: str | Path, *, device: str = "cpu", seed: int = 0) -> Player:
    """A trained agent, ready to act.

    Args:
        path: a cell's folder, like runs/default/tdmpc2/default/walker-walk/1 (its result, or its
            newest checkpoint while it is not finished), one of its checkpoints, or a file of
            weights.
        device: where it computes.
        seed: names the noise of its decisions.

    Raises:
        UsageError: no trained agent is there.
        DamagedFile: its files cannot be read back.
    """
    found = trained.find(Path(path))
    return Player(found.build(device), found.task, found.seed, seed=seed)
