"""How an agent meets its environments: training as a stream of events, and evaluation.

`Interaction.events` yields after every agent step and after every update and does nothing else,
so that evaluating, recording, checkpointing and stopping are readers of one stream. Acting state
is passed, never hidden: an evaluation cannot disturb the training it interrupts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench import seeding
from tdmpc2_bench.agent import Agent, BoolArray, FloatArray, State, Step
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import Diverged, NotReproducible
from tdmpc2_bench.task import Task


class EpisodeEnd(NamedTuple):
    """A training episode that has ended."""

    lane: int
    episode: int
    episode_return: float
    length: int  # agent steps
    success: bool | None  # at the last step


class Stepped(NamedTuple):
    """One agent step was taken, in every lane."""

    ends: tuple[EpisodeEnd, ...]


class Updated(NamedTuple):
    """One update was paid."""

    scalars: Mapping[str, FloatArray]  # each (lanes,)


@dataclass(slots=True)
class _Lane:
    """Where one lane's training stands: enough to lead a fresh environment to the same place."""

    env: TaskEnv
    seed: int
    episode: int = -1  # number of the episode in progress
    over: bool = True  # it has ended; the next one is to begin
    first: bool = False  # no action was taken in it yet
    actions: list[FloatArray] = field(default_factory=list)
    obs: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    success: bool | None = None
    episode_return: float = 0.0
    digest: Any = None  # hash object over the episode's observations

    def begin(self, episode: int) -> None:
        self.episode, self.over, self.first = episode, False, True
        self.actions, self.episode_return = [], 0.0
        self.reward, self.terminated, self.truncated = 0.0, False, False
        task = self.env.task.name
        self.obs, _ = self.env.reset(seed=seeding.integer(self.seed, task, "train", episode))
        self.digest = hashlib.sha256(self.obs.tobytes())

    def step(self, action: FloatArray) -> None:
        self.obs, self.reward, self.terminated, self.truncated, info = self.env.step(action)
        self.actions.append(action)
        self.first = False
        self.over = self.terminated or self.truncated
        self.success = info.get("success")
        self.episode_return += self.reward
        self.digest.update(self.obs.tobytes())

    def state(self) -> State:
        dims = self.env.task.action_dim
        return {
            "episode": self.episode,
            "actions": np.array(self.actions, np.float32).reshape(-1, dims),
            "observations": self.digest.hexdigest() if self.digest else None,
        }

    def load_state(self, state: State) -> None:
        """Replay the episode's actions into the environment alone.

        Raises:
            NotReproducible: other observations came than when it was recorded.
        """
        if state["episode"] < 0:
            return
        self.begin(state["episode"])
        for action in state["actions"]:
            self.step(action)
        if self.digest.hexdigest() != state["observations"]:
            msg = (
                f"{self.env.task.name}: replaying the {len(self.actions)} actions of episode "
                f"{self.episode} gave other observations than recorded, so the run cannot be "
                "continued exactly; the simulator or its version is not the one it began with"
            )
            raise NotReproducible(msg)


class Interaction:
    """Training in progress: the agent, one environment per lane, and where they stand."""

    def __init__(self, agent: Agent, envs: Sequence[TaskEnv], seeds: Sequence[int]) -> None:
        """Prepare to train from the beginning.

        Args:
            agent: one lane per seed.
            envs: one environment per lane.
            seeds: one per lane; name its episodes and its acting noise.
        """
        task = envs[0].task
        self.agent = agent
        self.agent_step = 0
        self.updates = 0
        self._carry = agent.carry(1, [seeding.stream(s, task.name, "act") for s in seeds])
        self._lanes = [_Lane(env, seed) for env, seed in zip(envs, seeds, strict=True)]

    def events(self) -> Iterator[Stepped | Updated]:
        """Train for ever, yielding after every agent step and every update."""
        while True:
            while self.agent.updates_due() > 0:
                scalars = self.agent.update()
                self.updates += 1
                _check_finite("a loss", *scalars.values())
                yield Updated(scalars)
            self._begin_episodes()
            yield self._step()

    def _begin_episodes(self) -> None:
        due = np.array([lane.over for lane in self._lanes])
        if not due.any():
            return
        for lane in self._lanes:
            if lane.over:
                lane.begin(lane.episode + 1)
        zeros = np.zeros((len(self._lanes), self._lanes[0].env.task.action_dim), np.float32)
        self._observe(zeros, first=due, active=due, extra={})

    def _step(self) -> Stepped:
        obs = np.stack([lane.obs for lane in self._lanes])[:, None]
        first = np.array([[lane.first] for lane in self._lanes])
        actions, self._carry, extra = self.agent.act(obs, self._carry, first=first, mode="train")
        _check_finite("an action", actions)
        for lane, action in zip(self._lanes, actions[:, 0], strict=True):
            lane.step(action)
        everywhere = np.ones(len(self._lanes), np.bool_)
        self._observe(
            actions[:, 0],
            first=~everywhere,
            active=everywhere,
            extra={name: value[:, 0] for name, value in extra.items()},
        )
        self.agent_step += 1
        return Stepped(
            tuple(
                EpisodeEnd(i, lane.episode, lane.episode_return, len(lane.actions), lane.success)
                for i, lane in enumerate(self._lanes)
                if lane.over
            )
        )

    def _observe(
        self,
        actions: FloatArray,
        *,
        first: BoolArray,
        active: BoolArray,
        extra: Mapping[str, NDArray[Any]],
    ) -> None:
        step = Step(
            obs=np.stack([lane.obs for lane in self._lanes]),
            action=actions,
            reward=np.array([lane.reward for lane in self._lanes], np.float32),
            first=first,
            terminated=np.array([lane.terminated for lane in self._lanes]),
            truncated=np.array([lane.truncated for lane in self._lanes]),
            active=active,
            extra=extra,
        )
        _check_finite("an observation or reward", step.obs, step.reward)
        self.agent.observe(step)

    def state(self) -> list[State]:
        """Where every lane stands, with the agent's own state."""
        agents, carries = self.agent.state(), self.agent.carry_state(self._carry)
        return [
            {
                "agent_step": self.agent_step,
                "updates": self.updates,
                "interaction": lane.state(),
                "carry": carry,
                "agent": agent,
            }
            for lane, carry, agent in zip(self._lanes, carries, agents, strict=True)
        ]

    def load_state(self, states: Sequence[State], *, may_drop: bool = False) -> str:
        """Continue where `state` was taken; the agent's replay is filled beforehand.

        Args:
            states: one per lane.
            may_drop: give up an episode in progress that does not repeat itself, and begin the
                next one.

        Returns:
            Why an episode was dropped; empty if none was.

        Raises:
            NotReproducible: an episode does not repeat itself, and may not be dropped.
        """
        dropped = ""
        self.agent_step, self.updates = states[0]["agent_step"], states[0]["updates"]
        for lane, state in zip(self._lanes, states, strict=True):
            try:
                lane.load_state(state["interaction"])
            except NotReproducible as error:
                if not may_drop:
                    raise
                lane.over, dropped = True, str(error)
        self._carry = self.agent.load_carry([state["carry"] for state in states])
        self.agent.load_state([state["agent"] for state in states])
        return dropped


@dataclass(slots=True)
class Evaluation:
    """Episodes of one lane played in one mode; one entry per episode."""

    returns: list[float] = field(default_factory=list)
    success_last: list[bool | None] = field(default_factory=list)
    success_any: list[bool | None] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)  # agent steps


def evaluate(
    agent: Agent, envs: Sequence[Sequence[TaskEnv]], seeds: Sequence[int], mode: str
) -> Generator[None, None, list[Evaluation]]:
    """Play one episode in every environment, all at once, yielding after every step.

    Episode k is the same at every evaluation of a seed and task, for every agent.

    Args:
        agent: left as it is.
        envs: (lanes, episodes) environments, apart from those used for training.
        seeds: one per lane.
        mode: one of ``agent.modes``.

    Returns:
        One evaluation per lane.
    """
    task: Task = envs[0][0].task
    obs = np.zeros((len(envs), len(envs[0]), task.obs_dim), np.float32)
    for i, (row, seed) in enumerate(zip(envs, seeds, strict=True)):
        for k, env in enumerate(row):
            obs[i, k], _ = env.reset(seed=seeding.integer(seed, task.name, "eval", k))
    carry = agent.carry(
        len(envs[0]), [seeding.stream(seed, task.name, "eval", mode) for seed in seeds]
    )
    episodes = [[_Episode() for _ in row] for row in envs]
    first = np.ones(obs.shape[:2], np.bool_)
    while not all(episode.over for row in episodes for episode in row):
        actions, carry, _ = agent.act(obs, carry, first=first, mode=mode)
        _check_finite("an action", actions)
        first = np.zeros_like(first)
        for i, k in np.ndindex(first.shape):
            if not episodes[i][k].over:
                obs[i, k] = episodes[i][k].step(envs[i][k], actions[i, k])
        _check_finite("an observation", obs)
        yield
    return [_collect(row) for row in episodes]


def evaluate_all(
    agent: Agent,
    envs: Sequence[Sequence[TaskEnv]],
    seeds: Sequence[int],
    *,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, list[Evaluation]] | None:
    """Evaluate in every mode, headline first; None if ``stop()`` became true meanwhile."""
    found: dict[str, list[Evaluation]] = {}
    for mode in agent.modes:
        steps = evaluate(agent, envs, seeds, mode)
        while mode not in found:
            try:
                next(steps)
            except StopIteration as end:
                found[mode] = end.value
            if stop():
                return None
    return found


@dataclass(slots=True)
class _Episode:
    episode_return: float = 0.0
    success: bool | None = None
    success_any: bool | None = None
    length: int = 0
    over: bool = False

    def step(self, env: TaskEnv, action: FloatArray) -> FloatArray:
        obs, reward, terminated, truncated, info = env.step(action)
        _check_finite("a reward", np.array(reward))
        self.episode_return += reward
        self.length += 1
        self.over = terminated or truncated
        self.success = info.get("success")
        if self.success is not None:
            self.success_any = bool(self.success_any) or self.success
        return obs


def _collect(episodes: Sequence[_Episode]) -> Evaluation:
    return Evaluation(
        [episode.episode_return for episode in episodes],
        [episode.success for episode in episodes],
        [episode.success_any for episode in episodes],
        [episode.length for episode in episodes],
    )


def _check_finite(what: str, *arrays: NDArray[Any]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        msg = f"{what} is no longer a finite number"
        raise Diverged(msg)
