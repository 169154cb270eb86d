"""What a plan will cost: hours, disk and memory, and what of it fits into a limit.

From speeds measured on this machine, one process running alone. What is not counted: start-up,
writing checkpoints, and how far several processes hold each other up.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tdmpc2_bench import experiment, plan, registry, speeds
from tdmpc2_bench.checkpoint import KEPT
from tdmpc2_bench.job import Job
from tdmpc2_bench.speeds import Speeds

_EPISODE_LINE = 600  # bytes of train.jsonl per episode
_EVALUATION_LINE = 150  # bytes of evals.jsonl per mode, and ...
_EVALUATION_EPISODE = 100  # ... per episode in it, evals.csv included


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one cell takes."""

    job: Job
    seconds: float  # of one process
    kept: int  # bytes of disk that stay when it is done
    working: int  # bytes of disk while it is trained, at most
    memory: int  # bytes of its process, at the end
    unknown: tuple[str, ...] = ()  # what could not be measured and is not counted


@dataclass(frozen=True, slots=True)
class Proposal:
    """A smaller plan that fits into a limit."""

    what: str  # in words
    options: str  # as the command line says it
    cells: int
    seconds: float  # with all workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan takes, cell by cell, in the order in which they are trained."""

    costs: Sequence[Cost]
    workers: int

    @property
    def seconds(self) -> float:
        """From beginning to end with so many workers."""
        return _makespan([cost.seconds for cost in self.costs], self.workers)

    @property
    def disk(self) -> int:
        """Bytes of disk at most: what stays of all cells, and what those in progress need more."""
        more = sorted((cost.working - cost.kept for cost in self.costs), reverse=True)
        return sum(cost.kept for cost in self.costs) + sum(more[: self.workers])

    @property
    def memory(self) -> int:
        """Bytes of memory at most, for so many workers at once."""
        return sum(sorted((cost.memory for cost in self.costs), reverse=True)[: self.workers])

    @property
    def unknown(self) -> list[str]:
        """What could not be measured and is not counted."""
        return list(dict.fromkeys(reason for cost in self.costs for reason in cost.unknown))


def forecast(
    described: Mapping[str, Any] | str | Path, *, workers: int = 1, threads: int = 1
) -> Forecast:
    """Say what an experiment will take, measuring speeds that are not known yet.

    Args:
        described: its keys, as in docs/experiments.md, or a file or folder that holds them.
        workers: cells trained at the same time.
        threads: computing threads per process.

    Raises:
        UsageError: something in it is wrong.
    """
    found = (
        [experiment.resolve(described)]
        if isinstance(described, Mapping)
        else experiment.load(Path(described))
    )
    jobs = plan.jobs(found)
    return of_jobs(jobs, speeds.of_jobs(jobs, threads=threads), workers=workers)


def of_jobs(jobs: Sequence[Job], known: Sequence[Speeds], *, workers: int = 1) -> Forecast:
    """The forecast of jobs whose speeds are known."""
    costs = [_cost(job, one) for job, one in zip(jobs, known, strict=True)]
    return Forecast(costs=costs, workers=workers)


def proposals(
    jobs: Sequence[Job], known: Sequence[Speeds], *, workers: int, seconds: float
) -> list[Proposal]:
    """Smaller plans that fit into ``seconds``: fewer seeds, fewer steps, or fewer tasks."""

    def takes(chosen: Iterable[tuple[Job, Speeds]]) -> float:
        return _makespan([_cost(job, one).seconds for job, one in chosen], workers)

    pairs = list(zip(jobs, known, strict=True))
    found = [
        _fewer_seeds(pairs, takes, seconds),
        _fewer_steps(pairs, takes, seconds),
        _fewer_tasks(pairs, takes, seconds),
    ]
    return [one for one in found if one is not None]


Pairs = Sequence[tuple[Job, Speeds]]
_Takes = Callable[[Iterable[tuple[Job, Speeds]]], float]


def _fewer_seeds(pairs: Pairs, takes: _Takes, seconds: float) -> Proposal | None:
    seeds = sorted({job.seed for job, _ in pairs})
    for count in range(len(seeds) - 1, 0, -1):
        chosen = [pair for pair in pairs if pair[0].seed in seeds[:count]]
        if takes(chosen) <= seconds:
            text = ",".join(map(str, seeds[:count]))
            what = f"{count} of {len(seeds)} seeds"
            return Proposal(what, f"--seeds {text}", len(chosen), takes(chosen))
    return None


def _fewer_steps(pairs: Pairs, takes: _Takes, seconds: float) -> Proposal | None:
    """The longest training, the same for all tasks, in whole evaluation intervals."""
    unit = math.lcm(*(job.eval_every for job, _ in pairs))
    longest = max(job.steps for job, _ in pairs)

    def cut(steps: int) -> list[tuple[Job, Speeds]]:
        return [(replace(job, steps=steps), one) for job, one in pairs]  # as the option does

    low, high = 0, math.ceil(longest / unit)  # the first fits, the last does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(cut(middle * unit)) <= seconds else (low, middle)
    if low == 0:
        return None
    steps = low * unit
    what = f"{steps:,} environment steps for every task, where the plan has up to {longest:,}"
    return Proposal(what, f"--steps {steps}", len(pairs), takes(cut(steps)))


def _fewer_tasks(pairs: Pairs, takes: _Takes, seconds: float) -> Proposal | None:
    """The quickest tasks, with all agents and seeds."""
    by_task: dict[str, list[tuple[Job, Speeds]]] = {}
    for pair in pairs:
        by_task.setdefault(pair[0].task, []).append(pair)
    quickest = sorted(by_task, key=lambda task: sum(_cost(*p).seconds for p in by_task[task]))
    chosen: list[tuple[Job, Speeds]] = []
    names: list[str] = []
    for task in quickest:
        if takes([*chosen, *by_task[task]]) > seconds:
            break
        chosen += by_task[task]
        names.append(task)
    if not names or len(names) == len(by_task):
        return None
    what = f"{len(names)} of {len(by_task)} tasks, the quickest"
    return Proposal(what, f"--task {','.join(names)}", len(chosen), takes(chosen))


def _cost(job: Job, known: Speeds) -> Cost:
    task = registry.task(job.task)
    steps, episode = job.steps // task.action_repeat, task.episode_agent_steps
    evaluations = len({*range(0, job.steps, job.eval_every), job.steps})
    env = known.task.step if known.task else 0.0
    seconds = steps * env
    memory = known.task.first + job.eval_episodes * known.task.further if known.task else 0
    kept = working = _log_bytes(job, steps / episode, evaluations, known)
    agent = known.agent
    if agent is not None:
        random = min(steps, agent.seed_steps)
        seconds += random * agent.act_random + (steps - random) * agent.act
        if steps >= agent.seed_steps:
            seconds += (agent.burst + agent.updates_per_step * (steps - random)) * agent.update
        played = job.eval_episodes * agent.modes * env
        seconds += evaluations * episode * (agent.evaluate + played)
        replay = min(steps + math.ceil(steps / episode), agent.capacity + episode) * agent.row
        weights = agent.weights * (1 + (job.steps // job.keep_every if job.keep_every else 0))
        kept += weights + (replay if job.keep != "weights" else 0)
        kept += KEPT * agent.checkpoint if job.keep == "all" else 0
        working += weights + replay + (KEPT + 1) * agent.checkpoint
        memory += agent.memory + replay
    return Cost(
        job=job, seconds=seconds, kept=kept, working=working, memory=memory, unknown=known.unknown
    )


def _log_bytes(job: Job, episodes: float, evaluations: int, known: Speeds) -> int:
    modes = known.agent.modes if known.agent else 1
    line = _EVALUATION_LINE + _EVALUATION_EPISODE * job.eval_episodes
    return int(episodes * _EPISODE_LINE) + evaluations * modes * line


def _makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last of so many workers is done, each taking the next cell when it is free."""
    ends = [0.0] * workers
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)
