"""A cheap learner for tests: it acts, stores, owes and draws like a real one, in numpy alone.

Its weights follow noise and random batches, so that a row lost, repeated or drawn otherwise, an
update too many or a generator set back shows in everything it does afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench import registry, seeding
from tdmpc2_bench.agent import Agent, AgentConfig, BoolArray, FloatArray, State, Step
from tdmpc2_bench.baselines.replay import Replay
from tdmpc2_bench.job import Job
from tdmpc2_bench.task import Task

NAME = "learner"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    """Settings of the learner, small enough that its replay turns over within a test."""

    seed_steps: int = 30  # random agent steps before learning
    batch_size: int = 8
    capacity: int = 100  # rows of replay
    fail_at: int | None = None  # number of the update that raises
    diverge_at: int | None = None  # number of the update whose loss is not a number

    def expanded(self) -> LearnerConfig:
        """Nothing follows from other settings."""
        return self

    def resolved(self, task: Task) -> LearnerConfig:
        """Nothing follows from the task."""
        del task
        return self


@dataclass(frozen=True, slots=True)
class LearnerCarry:
    """Acting state: the previous action and the noise generators."""

    previous: FloatArray  # (lanes, envs, action_dim)
    noise: tuple[np.random.Generator, ...]  # one per lane


class Learner:
    """Moves its policy towards rewarded actions. Every lane is computed on its own."""

    modes: tuple[str, ...] = ("mean", "sample")

    def __init__(self, config: LearnerConfig, task: Task, seeds: Sequence[int]) -> None:
        """Draw every lane's weights from its own seed."""
        self.lanes = len(seeds)
        self._config, self._task = config, task
        init = [seeding.stream(seed, task.name, "init") for seed in seeds]
        shape = (task.obs_dim, task.action_dim)
        self._weights = [rng.normal(0, 0.1, shape).astype(np.float32) for rng in init]
        self._momentum = [np.zeros(shape, np.float32) for _ in seeds]
        self._draws = [seeding.stream(seed, task.name, "replay") for seed in seeds]
        self._noise = [seeding.stream(seed, task.name, "update") for seed in seeds]
        self._agent_steps = self._debt = self._updates = 0
        columns = {
            "obs": ((task.obs_dim,), np.float32),
            "action": ((task.action_dim,), np.float32),
            "reward": ((), np.float32),
        }
        self.replays = tuple(
            Replay(config.capacity, task.episode_agent_steps, columns) for _ in seeds
        )

    def carry(self, envs: int, streams: Sequence[np.random.Generator]) -> LearnerCarry:
        """No previous action, noise from ``streams``."""
        shape = (self.lanes, envs, self._task.action_dim)
        return LearnerCarry(np.zeros(shape, np.float32), tuple(streams))

    def act(
        self, obs: FloatArray, carry: LearnerCarry, *, first: BoolArray, mode: str
    ) -> tuple[FloatArray, LearnerCarry, Mapping[str, NDArray[Any]]]:
        """Choose actions, shape (lanes, envs, action_dim): uniform while seeding."""
        shape = (obs.shape[1], self._task.action_dim)
        if mode == "train" and self._agent_steps <= self._config.seed_steps:
            action = np.stack([rng.uniform(-1, 1, shape) for rng in carry.noise])
        else:
            mean = [np.tanh(rows @ w) for rows, w in zip(obs, self._weights, strict=True)]
            action = 0.8 * np.stack(mean) + 0.2 * carry.previous * ~first[..., None]
            if mode != "mean":
                action = action + 0.3 * np.stack([rng.normal(size=shape) for rng in carry.noise])
        chosen = np.clip(action, -1, 1).astype(np.float32)
        return chosen, LearnerCarry(chosen, carry.noise), {}

    def observe(self, step: Step) -> None:
        """Store a training step and count what it makes due: a burst after seeding, then one."""
        for lane, replay in enumerate(self.replays):
            if step.active[lane]:
                replay.append(
                    first=bool(step.first[lane]),
                    last=bool(step.terminated[lane] or step.truncated[lane]),
                    obs=step.obs[lane],
                    action=step.action[lane],
                    reward=step.reward[lane],
                )
        if step.first.any():
            return
        self._agent_steps += 1
        seed_steps = self._config.seed_steps
        if self._agent_steps == seed_steps + 1:
            self._debt += seed_steps
        elif self._agent_steps > seed_steps:
            self._debt += 1

    def updates_due(self) -> int:
        """Updates owed, once every lane has an episode to learn from."""
        return self._debt if all(replay.can_sample(2) for replay in self.replays) else 0

    def update(self) -> Mapping[str, FloatArray]:
        """Learn from one batch per lane."""
        self._debt -= 1
        self._updates += 1
        if self._updates == self._config.fail_at:
            msg = "told to fail"
            raise RuntimeError(msg)
        loss = np.array([self._learn(lane) for lane in range(self.lanes)], np.float32)
        if self._updates == self._config.diverge_at:
            loss *= np.nan
        return {"loss": loss}

    def _learn(self, lane: int) -> float:
        batch = self.replays[lane].sample(self._draws[lane], self._config.batch_size, 2)
        obs, action, reward = batch["obs"][0], batch["action"][1], batch["reward"][1]
        error = (action - np.tanh(obs @ self._weights[lane])) * reward[:, None]
        noise = self._noise[lane].normal(0, 0.01, self._weights[lane].shape)
        step = obs.T @ error / len(obs) + noise.astype(np.float32)
        self._momentum[lane] = 0.9 * self._momentum[lane] + step
        self._weights[lane] = self._weights[lane] + 0.05 * self._momentum[lane]
        return float(np.square(error).mean())

    def state(self) -> list[State]:
        """Weights, generators and counters of every lane."""
        return [
            {
                "weights": self._weights[lane],
                "momentum": self._momentum[lane],
                "draws": self._draws[lane].bit_generator.state,
                "noise": self._noise[lane].bit_generator.state,
                "counters": [self._agent_steps, self._debt, self._updates],
            }
            for lane in range(self.lanes)
        ]

    def load_state(self, states: Sequence[State]) -> None:
        """Take over what `state` returned."""
        self.load_weights(states)
        self._momentum = [state["momentum"] for state in states]
        self._draws = [_generator(state["draws"]) for state in states]
        self._noise = [_generator(state["noise"]) for state in states]
        self._agent_steps, self._debt, self._updates = states[0]["counters"]

    def carry_state(self, carry: LearnerCarry) -> list[State]:
        """The previous action and the generator, one per lane."""
        return [
            {"previous": previous, "noise": rng.bit_generator.state}
            for previous, rng in zip(carry.previous, carry.noise, strict=True)
        ]

    def load_carry(self, states: Sequence[State]) -> LearnerCarry:
        """The acting state that `carry_state` described."""
        return LearnerCarry(
            np.stack([state["previous"] for state in states]),
            tuple(_generator(state["noise"]) for state in states),
        )

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """The policy's weights, one set per lane."""
        return [{"weights": weights} for weights in self._weights]

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Take over what `export` returned."""
        self._weights = [lane["weights"] for lane in weights]


def _generator(state: Any) -> np.random.Generator:  # numpy's own dict
    bits = np.random.PCG64()
    bits.state = state
    return np.random.Generator(bits)


class _Entry(registry.AgentEntry):
    """The learner as the harness knows it; an agent of the project lies in ``baselines``."""

    def build(
        self, config: AgentConfig, row: Task, seeds: Sequence[int], *, device: str = "cpu"
    ) -> Agent:
        """Build the learner for a task, one lane per seed."""
        del device
        settings: Any = config
        return Learner(settings, row, seeds)


ENTRY = _Entry(
    name=NAME,
    revision=1,
    config_type=LearnerConfig,
    presets={"plain": LearnerConfig()},
    default_preset="plain",
    description="A cheap learner for tests.",
    package=__name__,
)

_known_agent = registry.agent


def agent(name: str) -> registry.AgentEntry:
    """`registry.agent`, which this is put in place of, with the learner added."""
    return ENTRY if name == NAME else _known_agent(name)


def job(root: Path, **changes: Any) -> Job:
    """A short training of the learner: five evaluations, some of them in the middle of episodes."""
    settings: dict[str, Any] = {
        "root": str(root),
        "agent": NAME,
        "preset": "plain",
        "overrides": {},
        "task": "toy-point",
        "seed": 1,
        "steps": 400,
        "eval_every": 100,
        "eval_episodes": 2,
    }
    return Job(**{**settings, **changes})
