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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from tdmpc2_bench import checkpoint, registry, seeding, variant
from tdmpc2_bench.agent import Agent, Step
from tdmpc2_bench.child import answering
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import BenchError
from tdmpc2_bench.task import Task

_SEED = 1
_MOST_STEPS = 25_000  # agent steps fed to an agent that owes no update, before it counts as idle
_REPEATS = 3  # of every measurement; the median counts
_EPISODES = 2  # over which the rate of updates is counted
_STEPPING = 0.3  # seconds of stepping an environment


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


def agent_speed(request: dict[str, Any]) -> AgentSpeed:
    """Build the agent, feed it made-up steps and time what it does.

    Args:
        request: agent, preset, overrides, task, device, eval_episodes.
    """
    entry, task = registry.agent(request["agent"]), registry.task(request["task"])
    config = variant.configure(entry.presets, request["preset"], request["overrides"])
    agent = entry.build(config, task, [_SEED], device=request["device"])
    rng = seeding.stream(_SEED, task.name, "calibration")
    steps = _steps(task, rng)
    act_random = _time_act(agent, task, rng, envs=1, mode="train")
    seed_steps = _feed_until_due(agent, steps)
    burst = agent.updates_due()
    rate, update = 0.0, 0.0
    if burst:
        before, count = agent.updates_due(), _EPISODES * task.episode_agent_steps
        for _ in range(count):
            _feed(agent, steps)
        rate = (agent.updates_due() - before) / count
        update = _median(agent.update)
    replay = agent.replays[0] if agent.replays else None
    row = sum(array.nbytes for array in replay.rows(0, 1).values()) if replay else 0
    (weights,) = agent.export()
    return AgentSpeed(
        act_random=act_random,
        act=_time_act(agent, task, rng, envs=1, mode="train"),
        evaluate=sum(
            _time_act(agent, task, rng, envs=request["eval_episodes"], mode=mode)
            for mode in agent.modes
        ),
        update=update,
        seed_steps=seed_steps,
        burst=burst,
        updates_per_step=rate,
        modes=len(agent.modes),
        row=row,
        capacity=replay.capacity if replay else 0,
        checkpoint=sum(map(len, checkpoint.encode(agent.state()[0]).values())),
        weights=sum(array.nbytes for array in weights.values()),
        memory=psutil.Process().memory_info().rss,
    )


def task_speed(request: dict[str, Any]) -> TaskSpeed:
    """Build the task's environment twice and step it.

    Args:
        request: task.
    """
    task, process = registry.task(request["task"]), psutil.Process()
    sizes, envs = [process.memory_info().rss], []
    for _ in range(2):
        envs.append(registry.make(task))
        envs[-1].reset(seed=_SEED)
        sizes.append(process.memory_info().rss)
    step = _time_steps(envs[0])
    for env in envs:
        env.close()
    first, further = (max(after - before, 0) for before, after in itertools.pairwise(sizes))
    return TaskSpeed(step=step, first=first, further=further)


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


def _steps(task: Task, rng: np.random.Generator) -> Iterator[Step]:
    """Episodes of noise, as an interaction would bring them: a reset, then steps to the limit."""
    everywhere = np.ones(1, np.bool_)
    zeros = np.zeros((1, task.action_dim), np.float32)
    while True:
        for number in range(task.episode_agent_steps + 1):
            yield Step(
                obs=rng.standard_normal((1, task.obs_dim)).astype(np.float32),
                action=rng.uniform(-1, 1, zeros.shape).astype(np.float32) if number else zeros,
                reward=rng.uniform(0, 1, 1).astype(np.float32) * (number > 0),
                first=everywhere & (number == 0),
                terminated=~everywhere,
                truncated=everywhere & (number == task.episode_agent_steps),
                active=everywhere,
            )


def _feed(agent: Agent, steps: Iterator[Step]) -> None:
    """One agent step, with the reset before it if there is one."""
    step = next(steps)
    if step.first.any():
        agent.observe(step)
        step = next(steps)
    agent.observe(step)


def _feed_until_due(agent: Agent, steps: Iterator[Step]) -> int:
    """Agent steps until an update is due; 0 for an agent that never owes one."""
    for count in range(1, _MOST_STEPS + 1):
        _feed(agent, steps)
        if agent.updates_due() > 0:
            return count
    return 0


def _time_act(agent: Agent, task: Task, rng: np.random.Generator, *, envs: int, mode: str) -> float:
    """Seconds of one decision for so many environments."""
    obs = rng.standard_normal((1, envs, task.obs_dim)).astype(np.float32)
    carry = agent.carry(envs, [rng])
    first = np.zeros((1, envs), np.bool_)
    return _median(lambda: agent.act(obs, carry, first=first, mode=mode))


def _median(act: Callable[[], Any]) -> float:
    """Seconds that it takes; the first time, which may prepare something, is not counted."""
    seconds = []
    for _ in range(1 + _REPEATS):
        begun = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


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
