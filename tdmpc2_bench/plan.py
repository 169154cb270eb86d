"""What a request amounts to: agents x tasks x seeds as an ordered list of jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tdmpc2_bench import registry, variant
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.job import Job

if TYPE_CHECKING:
    from tdmpc2_bench.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asks to run. None means: as the paper, per task."""

    tasks: Sequence[str]  # names, globs, tags, suites, sets
    agents: Sequence[str] = ("tdmpc2",)
    preset: str | None = None  # None: the agent's default
    settings: Mapping[str, str] = field(default_factory=dict)  # as typed: {"horizon": "5"}
    seeds: Sequence[int] = (1, 2, 3)
    steps: int | None = None  # environment steps
    eval_every: int | None = None  # environment steps
    eval_episodes: int = 10
    device: str = "cpu"
    out: str = "runs/default"


def jobs(request: Request) -> list[Job]:
    """Every cell of the request as a job, by agent, task and seed.

    Raises:
        UsageError: anything in the request is wrong; nothing has been started then.
    """
    tasks = registry.select(request.tasks)
    if not request.seeds or not all(isinstance(s, int) and s >= 0 for s in request.seeds):
        msg = f"--seeds: expected one or more whole numbers, got {list(request.seeds)}"
        raise UsageError(msg)
    _check_range("eval-episodes", request.eval_episodes, 1)
    if not re.fullmatch(r"cpu|(cuda|xpu|mps)(:\d+)?", request.device):
        msg = f"--device {request.device}: expected cpu, cuda or cuda:1"
        raise UsageError(msg)
    out = Path(request.out)
    if not request.out or any(place.is_file() for place in (out, *out.parents)):
        msg = f"--out {request.out!r} is a file or nothing; expected a folder, an experiment's"
        raise UsageError(msg)
    found = []
    for name in request.agents:
        entry = registry.agent(name)
        preset = request.preset or entry.default_preset
        overrides = variant.parse_overrides(entry.config_type, request.settings, agent=name)
        config = variant.configure(entry.presets, preset, overrides)
        for task in tasks:
            config.resolved(task)  # refuses what this task cannot take
            steps = _steps("steps", request.steps, task.budget, task)
            eval_every = _steps("eval-every", request.eval_every, task.eval_every, task)
            found += [
                Job(
                    root=request.out,
                    agent=name,
                    preset=preset,
                    overrides=overrides,
                    task=task.name,
                    seed=seed,
                    steps=steps,
                    eval_every=eval_every,
                    eval_episodes=request.eval_episodes,
                    device=request.device,
                )
                for seed in dict.fromkeys(request.seeds)
            ]
    return found


def check_runnable(planned: Sequence[Job]) -> None:
    """Make sure the simulators of all jobs are there.

    Raises:
        UsageError: the first reason why not, with what to do.
    """
    for suite in dict.fromkeys(registry.task(job.task).suite for job in planned):
        registry.check_available(suite)


def warnings(planned: Sequence[Job]) -> list[str]:
    """What is allowed but probably not meant, one line per agent and task."""
    found = []
    try:
        check_runnable(planned)
    except UsageError as error:
        found.append(str(error))
    for job in planned:
        task, entry = registry.task(job.task), registry.agent(job.agent)
        config = variant.configure(entry.presets, job.preset, job.overrides).resolved(task)
        seed_steps = getattr(config, "seed_steps", 0) * task.action_repeat
        if job.steps <= seed_steps:
            found.append(
                f"{job.agent} on {job.task}: the first {seed_steps:,} environment steps are "
                f"random (seed_steps), so nothing is learned in {job.steps:,}"
            )
    return list(dict.fromkeys(found))


def _steps(option: str, wanted: int | None, default: int, task: Task) -> int:
    steps = default if wanted is None else wanted
    _check_range(option, steps, 1)
    if steps % task.action_repeat:
        msg = (
            f"--{option} {steps}: {task.name} takes {task.action_repeat} environment steps per "
            f"agent step; expected a multiple of {task.action_repeat}"
        )
        raise UsageError(msg)
    return steps


def _check_range(option: str, value: int, least: int) -> None:
    if not isinstance(value, int) or value < least:
        msg = f"--{option}: expected a whole number, at least {least}, got {value!r}"
        raise UsageError(msg)
