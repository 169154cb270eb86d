"""How fast an agent and a task are on this machine: a few seconds of each, measured.

``python -P -m tdmpc2_bench.calibration REQUEST ...`` answers each request, an agent or a task as
JSON, with a line of JSON. It is a process of its own because agents and simulators are heavy, and
because threads are chosen when a process starts.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil

from tdmpc2_bench import checkpoint, registry, seeding, variant
from tdmpc2_bench.agent import Step
from tdmpc2_bench.child import answering
from tdmpc2_bench.errors import BenchError
from tdmpc2_bench.task import Task

if TYPE_CHECKING:  # it loads gymnasium, and whoever reckons needs none
    from tdmpc2_bench.env import TaskEnv

_SEED = 1
_MOST_STEPS = 25_000  # agent steps fed to an agent that owes no update, before it counts as idle
_REPEATS = 3  # of every measurement; the median counts
_EPISODES = 2  # over which the rate of updates is counted
_STEPPING = 0.3  # seconds of stepping an environment


class Timing(NamedTuple):
    """Seconds that something takes, of a few times."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpeed:
    """What an agent costs, by itself; times in seconds, sizes in bytes."""

    act_random: float  # one training decision before it learns
    act: float  # one training decision after that
    evaluate: float  # one decision for all episodes of an evaluation, all modes together
    update: float
    seed_steps: int  # agent steps before the first update is due
    burst: int  # updates due then
    updates_per_step: float  # afterwards
    modes: int  # in how many ways it is evaluated
    row: int  # one row of its replay
    capacity: int  # rows that its replay keeps at most
    checkpoint: int  # without replay
    weights: int
    memory: int  # of a process that has built it, without replay


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpeed:
    """What a task's environment costs; time in seconds, sizes in bytes."""

    step: float  # one agent step
    first: int  # memory of the first environment of a process, with its simulator
    further: int  # memory of each further one


class Rehearsal:
    """An agent with made-up experience, fed until it owes updates or is known to owe none."""

    def __init__(self, request: Mapping[str, Any], *, lanes: int = 1) -> None:
        """Build and feed it.

        Args:
            request: agent, preset, overrides, task, device.
            lanes: seeds side by side.
        """
        entry, self.task = registry.agent(request["agent"]), registry.task(request["task"])
        self.agent_name = entry.name
        config = variant.configure(entry.presets, request["preset"], request["overrides"])
        # Most of a training comes after its schedules, which an agent may have, have run out.
        config = getattr(config, "late", lambda: config)()
        self.config: Any = config.resolved(self.task)
        seeds = range(_SEED, _SEED + lanes)
        self.agent = entry.build(config, self.task, seeds, device=request["device"])
        self._rngs = [seeding.stream(seed, self.task.name, "calibration") for seed in seeds]
        self._steps = _steps(self.task, self._rngs)
        self.act_random = self.time_act(1, "train")
        self.seed_steps = self._feed_until_due()
        self.burst = self.agent.updates_due()

    def feed(self) -> None:
        """One agent step, with the reset before it if there is one."""
        step = next(self._steps)
        if step.first.any():
            self.agent.observe(step)
            step = next(self._steps)
        self.agent.observe(step)

    def time_act(self, envs: int, mode: str) -> Timing:
        """A decision for so many environments per lane."""
        return timed(self.decision(envs, mode))

    def decision(self, envs: int, mode: str) -> Callable[[], object]:
        """What makes a decision for so many environments per lane."""
        shape = (self.agent.lanes, envs)
        obs = self._rngs[0].standard_normal((*shape, self.task.obs_dim)).astype(np.float32)
        carry = self.agent.carry(envs, self._rngs)
        first = np.zeros(shape, np.bool_)
        return lambda: self.agent.act(obs, carry, first=first, mode=mode)

    def _feed_until_due(self) -> int:
        """Agent steps until an update is due; 0 for an agent that never owes one."""
        for count in range(1, _MOST_STEPS + 1):
            self.feed()
            if self.agent.updates_due() > 0:
                return count
        return 0


def agent_speed(request: Mapping[str, Any]) -> AgentSpeed:
    """Build the agent, feed it made-up steps and time what it does.

    Args:
        request: agent, preset, overrides, task, device, eval_episodes.
    """
    return speed_of(Rehearsal(request), request["eval_episodes"])


def speed_of(rehearsal: Rehearsal, episodes: int) -> AgentSpeed:
    """What a rehearsed agent costs, with so many episodes per evaluation."""
    agent = rehearsal.agent
    rate, update = 0.0, 0.0
    if rehearsal.burst:
        before, count = agent.updates_due(), _EPISODES * rehearsal.task.episode_agent_steps
        for _ in range(count):
            rehearsal.feed()
        rate = (agent.updates_due() - before) / count
        update = timed(agent.update).median
    replay = agent.replays[0] if agent.replays else None
    row = sum(array.nbytes for array in replay.rows(0, 1).values()) if replay else 0
    return AgentSpeed(
        act_random=rehearsal.act_random.median,
        act=rehearsal.time_act(1, "train").median,
        evaluate=sum(rehearsal.time_act(episodes, mode).median for mode in agent.modes),
        update=update,
        seed_steps=rehearsal.seed_steps,
        burst=rehearsal.burst,
        updates_per_step=rate,
        modes=len(agent.modes),
        row=row,
        capacity=replay.capacity if replay else 0,
        checkpoint=sum(map(len, checkpoint.encode(agent.state()[0]).values())),
        weights=sum(array.nbytes for array in agent.export()[0].values()),
        memory=psutil.Process().memory_info().rss,
    )


def task_speed(request: Mapping[str, Any]) -> TaskSpeed:
    """Build the task's environment twice and step it.

    Args:
        request: task.
    """
    task = registry.task(request["task"])
    sizes, envs = [_memory()], []
    for _ in range(2):
        envs.append(registry.make(task))
        envs[-1].reset(seed=_SEED)
        sizes.append(_memory())
    step = _time_steps(envs[0])
    for env in envs:
        env.close()
    first, further = (max(after - before, 0) for before, after in itertools.pairwise(sizes))
    return TaskSpeed(step=step, first=first, further=further)


def _memory() -> int:
    """Bytes that this process takes, with those that step environments for it."""
    ourselves = psutil.Process()
    return sum(one.memory_info().rss for one in (ourselves, *ourselves.children(recursive=True)))


def _time_steps(env: TaskEnv) -> float:
    """Seconds per agent step, resets included as often as episodes need them."""
    rng = seeding.stream(_SEED, env.task.name, "calibration")
    begun, count, over = time.perf_counter(), 0, False
    while time.perf_counter() - begun < _STEPPING:
        if over:
            env.reset()
        action = rng.uniform(-1, 1, env.task.action_dim).astype(np.float32)
        _, _, terminated, truncated, _ = env.step(action)
        over, count = terminated or truncated, count + 1
    return (time.perf_counter() - begun) / count


def _steps(task: Task, rngs: Sequence[np.random.Generator]) -> Iterator[Step]:
    """Episodes of noise, as an interaction would bring them: a reset, then steps to the limit."""
    lanes, rng = len(rngs), rngs[0]
    everywhere = np.ones(lanes, np.bool_)
    zeros = np.zeros((lanes, task.action_dim), np.float32)
    while True:
        for number in range(task.episode_agent_steps + 1):
            yield Step(
                obs=rng.standard_normal((lanes, task.obs_dim)).astype(np.float32),
                action=rng.uniform(-1, 1, zeros.shape).astype(np.float32) if number else zeros,
                reward=rng.uniform(0, 1, lanes).astype(np.float32) * (number > 0),
                first=everywhere & (number == 0),
                terminated=~everywhere,
                truncated=everywhere & (number == task.episode_agent_steps),
                active=everywhere,
            )


def timed(act: Callable[[], Any], repeats: int = _REPEATS) -> Timing:
    """How long it takes; the first time, which may prepare something, is not counted."""
    seconds = []
    for _ in range(1 + repeats):
        begun = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begun)
    counted = sorted(seconds[1:])
    return Timing(statistics.median(counted), counted[0], counted[-1])


def main(arguments: Sequence[str]) -> None:
    """Answer requests: measured speeds, or the error's words."""
    with answering() as answer:
        for text in arguments:
            request = json.loads(text)
            measure = agent_speed if "agent" in request else task_speed
            try:
                answer(dataclasses.asdict(measure(request)))
            except BenchError as error:
                answer({"error": str(error)})


if __name__ == "__main__":
    main(sys.argv[1:])
