"""The climber: every verb that the harness asks of an agent, with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench_example.climber.config import ClimberConfig
from tdmpc2_bench import seeding
from tdmpc2_bench.agent import BoolArray, FloatArray, State, Step
from tdmpc2_bench.task import Task


class Climber:
    """Tries a changed policy in every training episode and keeps it if it did no worse."""

    lanes = 1  # `build` refuses more
    modes = ("mean",)
    replays: tuple[()] = ()

    def __init__(self, config: ClimberConfig, task: Task, seed: int) -> None:
        """Begin with a policy that does nothing."""
        self._step_size = config.step_size
        self._rng = seeding.stream(seed, task.name, "climber")
        self._best = np.zeros((task.obs_dim, task.action_dim), np.float32)
        self._trial = self._best
        self._best_return = -np.inf
        self._return = 0.0  # of the episode in progress
        self._due = 0

    def carry(self, envs: int, streams: Sequence[np.random.Generator]) -> None:
        """Remember nothing from step to step."""

    def act(
        self, obs: FloatArray, carry: None, *, first: BoolArray, mode: str
    ) -> tuple[FloatArray, None, Mapping[str, NDArray[Any]]]:
        """Follow the policy on trial while training, the best one otherwise."""
        del carry, first
        weights = self._trial if mode == "train" else self._best
        return np.tanh(obs @ weights).astype(np.float32), None, {}

    def observe(self, step: Step) -> None:
        """Sum up the episode's rewards; one update is due at its end."""
        self._return += float(step.reward[0])
        self._due += bool(step.terminated[0] or step.truncated[0])

    def updates_due(self) -> int:
        """One per episode."""
        return self._due

    def update(self) -> Mapping[str, FloatArray]:
        """Judge the policy on trial and change the better one for the next episode."""
        if self._return >= self._best_return:
            self._best, self._best_return = self._trial, self._return
        change = self._rng.normal(0, self._step_size, self._best.shape)
        self._trial = self._best + change.astype(np.float32)
        self._return, self._due = 0.0, self._due - 1
        return {"best_return": np.array([self._best_return], np.float32)}

    def state(self) -> list[State]:
        """Everything that the next step depends on."""
        return [
            {
                "best": self._best,
                "trial": self._trial,
                "best_return": self._best_return,
                "return": self._return,
                "due": self._due,
                "rng": self._rng.bit_generator.state,
            }
        ]

    def load_state(self, states: Sequence[State]) -> None:
        """Take over what `state` returned."""
        (state,) = states
        self._best, self._trial = state["best"], state["trial"]
        self._best_return, self._return = state["best_return"], state["return"]
        self._due = state["due"]
        self._rng.bit_generator.state = state["rng"]

    def carry_state(self, carry: None) -> list[State]:
        """There is none."""
        del carry
        return [{}]

    def load_carry(self, states: Sequence[State]) -> None:
        """There is none."""

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """The best policy's weights."""
        return [{"best": self._best}]

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Take over what `export` returned."""
        self._best = weights[0]["best"]


def build(
    config: ClimberConfig, task: Task, seeds: Sequence[int], *, device: str = "cpu"
) -> Climber:
    """Build the agent for ``task``; it computes on the CPU whatever the device."""
    del device
    (seed,) = seeds
    return Climber(config, task, seed)
