"""What an agent is: a handful of verbs, satisfied by shape.

The loop, the recorder and the checkpoint writer know agents only through these Protocols. Arrays
cross the seam as numpy, so that the harness needs no learning framework; every array begins with
the lane axis (lanes are seeds trained side by side in one process; one is the usual number).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.task import Task

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

# Nested dict of str to numpy array, number, str, bool, None or again such a dict. Any, because
# the recursive type would burden every agent with casts when it reads its own state back.
State = dict[str, Any]
Carry = Any  # an agent's acting state is its own business; the harness only passes it on


@dataclass(frozen=True, slots=True)
class Step:
    """What one agent step brought, for every lane; a reset is a step with ``first`` set.

    ``obs`` is o_{t+1}; ``action``, ``reward`` and ``extra`` are those of time t that led to it,
    and zero (empty) at a reset.
    """

    obs: FloatArray  # (lanes, obs_dim)
    action: FloatArray  # (lanes, action_dim)
    reward: FloatArray  # (lanes,)
    first: BoolArray  # (lanes,) the lane was reset: obs begins an episode
    terminated: BoolArray  # (lanes,) a true end: nothing to bootstrap from
    truncated: BoolArray  # (lanes,) the time limit
    active: BoolArray  # (lanes,) False where a lane had no part in this step
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (lanes, ...)


class Replay(Protocol):
    """One lane's experience as a stream of rows that never change once stored."""

    capacity: int  # rows of completed episodes that are kept at most

    @property
    def rows_written(self) -> int:
        """Rows ever stored; the next row gets this number."""

    @property
    def oldest_row(self) -> int:
        """Number of the oldest row that is still held."""

    def rows(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Copies of rows ``start <= number < stop``, by column."""

    def load(self, segments: Iterable[Mapping[str, NDArray[Any]]], *, first_row: int) -> None:
        """Refill an empty replay with consecutive segments, the first starting at ``first_row``."""


class Agent(Protocol):
    """A learner. Built by its package's ``build(config, task, seeds, *, device)``."""

    lanes: int
    modes: tuple[str, ...]  # ways to act in an evaluation, the headline first
    replays: tuple[Replay, ...]  # one per lane; empty for an agent without replay

    def carry(self, envs: int, streams: Sequence[np.random.Generator]) -> Carry:
        """Fresh acting state for ``envs`` environments per lane, its noise seeded per lane."""

    def act(
        self, obs: FloatArray, carry: Carry, *, first: BoolArray, mode: str
    ) -> tuple[FloatArray, Carry, Mapping[str, NDArray[Any]]]:
        """Choose actions; never changes the agent itself.

        Args:
            obs: shape (lanes, envs, obs_dim).
            carry: acting state that `carry` or the previous `act` returned.
            first: shape (lanes, envs), True where ``obs`` begins an episode.
            mode: "train" or one of ``modes``.

        Returns:
            Actions in [-1, 1] of shape (lanes, envs, action_dim), the next acting state, and
            whatever must be stored with the step, each array (lanes, envs, ...).
        """

    def observe(self, step: Step) -> None:
        """Take in one training step (or a reset)."""

    def updates_due(self) -> int:
        """Updates owed and payable now; part of the state."""

    def update(self) -> Mapping[str, FloatArray]:
        """Pay one update and return its scalars, each of shape (lanes,)."""

    def state(self) -> list[State]:
        """Everything needed to continue bit for bit, except the replay's rows; one per lane."""

    def load_state(self, states: Sequence[State]) -> None:
        """Take over what `state` returned."""

    def carry_state(self, carry: Carry) -> list[State]:
        """An acting state as plain data, one per lane."""

    def load_carry(self, states: Sequence[State]) -> Carry:
        """The acting state that `carry_state` described."""

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """The weights that acting needs, one set per lane."""

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Take over what `export` returned."""


class AgentConfig(Protocol):
    """An agent's frozen settings dataclass; defaults are those of its default preset.

    One with schedules may have ``late()``: the same settings once these have run out, which is
    what the agent's speed is measured with.
    """

    def expanded(self) -> AgentConfig:
        """The same settings with every value filled in that follows from other settings."""

    def resolved(self, task: Task) -> AgentConfig:
        """The expanded settings with every value filled in that follows from the task."""
