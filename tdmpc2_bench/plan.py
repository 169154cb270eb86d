"""What experiments amount to: agents x tasks x seeds as an ordered list of jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from tdmpc2_bench import registry, variant
from tdmpc2_bench.errors import BenchError, UnknownName, UsageError
from tdmpc2_bench.experiment import Experiment, Learner
from tdmpc2_bench.job import Allowed, Job

if TYPE_CHECKING:
    from tdmpc2_bench.celldir import Cell
    from tdmpc2_bench.task import Task


def jobs(
    experiments: Iterable[Experiment], *, device: str = "cpu", allow: Sequence[str] = ()
) -> list[Job]:
    """Every cell of the experiments as a job, by agent, task and seed.

    A cell that several of them name is trained once, to the largest budget.

    Args:
        experiments: what is to be trained.
        device: where the agents compute.
        allow: what cells are continued in spite of.

    Raises:
        UsageError: a task cannot take what an experiment asks of it.
    """
    if not re.fullmatch(r"cpu|(cuda|xpu|mps)(:\d+)?", device):
        msg = f"device: expected cpu, cuda or cuda:1, got {device!r}"
        raise UsageError(msg)
    for word in allow:
        if word not in get_args(Allowed):
            there_are = f"There are: {', '.join(get_args(Allowed))}."
            raise UnknownName("condition to allow", word, get_args(Allowed), hint=there_are)
    common = {"device": device, "allow": tuple(allow)}
    found: dict[tuple[str, Cell], Job] = {}
    for experiment in experiments:
        for learner in experiment.agents:
            for name in experiment.tasks:
                for job in _jobs(experiment, learner, registry.task(name), common):
                    key = (job.root, job.cell)
                    if key not in found or found[key].steps < job.steps:
                        found[key] = job
    return list(found.values())


def check_runnable(planned: Sequence[Job]) -> None:
    """Make sure the simulators of all jobs are there, and what else their tasks need.

    Raises:
        UsageError: the first reason why not, with what to do.
        WorkerFailed: a suite's own interpreter did not answer in time, or was killed.
    """
    tasks = [registry.task(name) for name in dict.fromkeys(job.task for job in planned)]
    for suite in dict.fromkeys(task.suite for task in tasks):
        registry.check_interpreter(suite)
    for task in tasks:
        registry.check_assets(task)


def warnings(planned: Sequence[Job]) -> list[str]:
    """What is allowed but probably not meant, one line per agent and task."""
    found = []
    try:
        check_runnable(planned)
    except BenchError as error:
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


def shard(planned: Sequence[Job], which: str) -> list[Job]:
    """One of several parts of a plan that together are all of it.

    The same on every machine. Parts are about equally long in environment steps; which agent takes
    how long for a step is not known to them.

    Args:
        planned: the whole plan.
        which: "3/16" for the third of sixteen parts.

    Raises:
        UsageError: it is not of that form.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", which)
    number, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= parts:
        range_ = f", from 1/{parts} to {parts}/{parts}" if parts else ""
        msg = f"shard: expected a part like 3/16{range_}, got {which!r}"
        raise UsageError(msg)
    steps = [0] * parts
    part_of: dict[int, int] = {}  # by identity: jobs hold a dict
    for job in sorted(planned, key=lambda job: job.steps, reverse=True):
        part = steps.index(min(steps))
        steps[part] += job.steps
        part_of[id(job)] = part
    return [job for job in planned if part_of[id(job)] == number - 1]


def _jobs(
    experiment: Experiment, learner: Learner, task: Task, common: Mapping[str, Any]
) -> list[Job]:
    """One job per seed."""
    entry = registry.agent(learner.name)
    config = variant.configure(entry.presets, learner.preset, learner.settings)
    config.resolved(task)  # refuses what this task cannot take
    described: dict[str, Any] = {
        **common,
        "root": experiment.out,
        "agent": learner.name,
        "preset": learner.preset,
        "overrides": dict(learner.settings),
        "task": task.name,
        "steps": _steps("steps", experiment.steps or task.budget, task),
        "eval_every": _steps("eval_every", experiment.eval_every or task.eval_every, task),
        "eval_episodes": experiment.eval_episodes,
        "keep": experiment.keep,
        "keep_every": experiment.keep_every and _steps("keep_every", experiment.keep_every, task),
    }
    return [Job(seed=seed, **described) for seed in experiment.seeds]


def _steps(key: str, steps: int, task: Task) -> int:
    if steps % task.action_repeat:
        msg = (
            f"{key}: {task.name} takes {task.action_repeat} environment steps per agent step; "
            f"expected a multiple of {task.action_repeat}, got {steps}"
        )
        raise UsageError(msg)
    return steps
