"""Uniformly random actions, with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.agent import BoolArray, FloatArray, State, Step
from tdmpc2_bench.baselines.uniform.config import UniformConfig
from tdmpc2_bench.task import Task

Generators = tuple[np.random.Generator, ...]


class Uniform:
    """Draws every action uniformly from [-1, 1]; learns nothing and remembers nothing."""

    modes = ("sample",)
    replays: tuple[()] = ()

    def __init__(self, task: Task, lanes: int) -> None:
        """Act in ``task``."""
        self.lanes = lanes
        self._action_dim = task.action_dim

    def carry(self, envs: int, streams: Sequence[np.random.Generator]) -> Generators:
        """The generators are all there is."""
        del envs
        return tuple(streams)

    def act(
        self, obs: FloatArray, carry: Generators, *, first: BoolArray, mode: str
    ) -> tuple[FloatArray, Generators, Mapping[str, NDArray[Any]]]:
        """Draw actions, shape (lanes, envs, action_dim)."""
        del first, mode
        shape = (obs.shape[1], self._action_dim)
        actions = np.stack([rng.uniform(-1, 1, shape) for rng in carry])
        return actions.astype(np.float32), carry, {}

    def observe(self, step: Step) -> None:
        """Learn nothing."""

    def updates_due(self) -> int:
        """None, ever."""
        return 0

    def update(self) -> Mapping[str, FloatArray]:
        """Nothing to pay."""
        return {}

    def state(self) -> list[State]:
        """Nothing to remember."""
        return [{} for _ in range(self.lanes)]

    def load_state(self, states: Sequence[State]) -> None:
        """Nothing to take over."""

    def carry_state(self, carry: Generators) -> list[State]:
        """The generators, one per lane."""
        return [{"rng": rng.bit_generator.state} for rng in carry]

    def load_carry(self, states: Sequence[State]) -> Generators:
        """The generators that `carry_state` described."""
        generators = []
        for state in states:
            bits = np.random.PCG64()
            bits.state = state["rng"]
            generators.append(np.random.Generator(bits))
        return tuple(generators)

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """No weights."""
        return [{} for _ in range(self.lanes)]

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """No weights."""


def build(
    config: UniformConfig, task: Task, seeds: Sequence[int], *, device: str = "cpu"
) -> Uniform:
    """Build the agent for ``task``, one lane per seed."""
    del config, device
    return Uniform(task, len(seeds))
