"""Which speeds of agents and tasks are known on this machine: measured once, then kept."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tdmpc2_bench import machine, protocol, registry, variant
from tdmpc2_bench.calibration import AgentSpeed, TaskSpeed
from tdmpc2_bench.child import THREAD_VARIABLES, Child, module
from tdmpc2_bench.job import Job

COMMAND = module("tdmpc2_bench.calibration")
_AGENT_PATIENCE = 900.0  # seconds for one measurement; the largest model on a CPU takes minutes
_TASK_PATIENCE = 120.0  # the simulator's first import included
CACHE = machine.Cache("speeds")


@dataclass(frozen=True, slots=True)
class Speeds:
    """Speeds of an agent and a task; None where one could not be measured."""

    agent: AgentSpeed | None
    task: TaskSpeed | None
    unknown: tuple[str, ...] = ()  # why not


def of_jobs(
    jobs: Sequence[Job],
    *,
    threads: int = 1,
    anew: bool = False,
    say: Callable[[str], None] = lambda _: None,
    command: Sequence[str] = COMMAND,
) -> list[Speeds]:
    """Speeds of every job, measuring those that are not known yet.

    Args:
        jobs: what is to be trained.
        threads: computing threads per process.
        anew: measure all of them again.
        say: told what is being measured, which takes a few seconds each.
        command: the process to start; takes requests, see `calibration`.
    """
    keys, requests = _Keys(threads), _requests(jobs)
    wanted = {keys.of(one): one for pair in requests for one in pair}
    known = {} if anew else CACHE.read()
    missing = {key: one for key, one in wanted.items() if key not in known}
    if missing:
        known = {**CACHE.read(), **_measure(missing, threads, say, command)}
    return _answers(requests, keys, known)


def known(jobs: Sequence[Job], *, threads: int = 1) -> list[Speeds]:
    """Speeds of every job as far as they were measured here before; nothing is measured.

    Args:
        jobs: what they are of.
        threads: computing threads per process.
    """
    return _answers(_requests(jobs), _Keys(threads), CACHE.read())


_Pair = tuple[dict[str, Any], dict[str, Any]]  # requests of an agent and a task


def _requests(jobs: Sequence[Job]) -> list[_Pair]:
    """What is to be measured for every job."""
    of_tasks = {name: _task_request(name) for name in {job.task for job in jobs}}
    return [(agent_request(job), of_tasks[job.task]) for job in jobs]


def _answers(requests: Sequence[_Pair], keys: _Keys, kept: Mapping[str, Any]) -> list[Speeds]:
    found = []
    for pair in requests:
        agent, task = (kept.get(keys.of(one), {"error": "not measured"}) for one in pair)
        unknown = tuple(answer["error"] for answer in (agent, task) if "error" in answer)
        found.append(
            Speeds(
                None if "error" in agent else AgentSpeed(**agent),
                None if "error" in task else TaskSpeed(**task),
                unknown,
            )
        )
    return found


def keep(job: Job, *, agent: Mapping[str, Any], task: Mapping[str, Any], threads: int) -> None:
    """Keep speeds of a job that were measured otherwise.

    Args:
        job: what they are of.
        agent: fields of its `AgentSpeed`.
        task: fields of its `TaskSpeed`.
        threads: computing threads they were measured with.
    """
    keys = _Keys(threads)
    CACHE.keep({keys.of(agent_request(job)): agent, keys.of(_task_request(job.task)): task})


def agent_request(job: Job) -> dict[str, Any]:
    """What is to be measured of an agent, as `calibration` takes it."""
    entry, task = registry.agent(job.agent), registry.task(job.task)
    config: Any = variant.configure(entry.presets, job.preset, job.overrides).resolved(task)
    return {
        "agent": job.agent,
        "preset": job.preset,
        "overrides": job.overrides,
        "task": job.task,
        "device": job.device,
        "eval_episodes": job.eval_episodes,
        # Of these the speed depends; tasks that agree in them share it.
        "depends": {
            "revision": entry.revision,
            "config": dataclasses.asdict(config),
            "sizes": [task.obs_dim, task.action_dim, task.episode_agent_steps],
        },
    }


def _task_request(name: str) -> dict[str, Any]:
    conditions = registry.conditions(registry.task(name))
    return {"task": name, "depends": {"fingerprint": protocol.fingerprint(conditions)}}


class _Keys:
    """Keys of requests' answers on this machine."""

    def __init__(self, threads: int) -> None:
        self._keys, self._here = machine.Keys(), {"host": platform.node(), "threads": threads}

    def of(self, request: Mapping[str, Any]) -> str:
        names = ("agent", "device", "eval_episodes", "depends")
        told = {name: request[name] for name in names if name in request}
        return self._keys.of(**self._here, **told)


def _measure(
    requests: Mapping[str, Mapping[str, Any]],
    threads: int,
    say: Callable[[str], None],
    command: Sequence[str],
) -> dict[str, Any]:
    """Answers by key; those that are speeds are kept at once, so that Ctrl-C loses little."""
    answers: dict[str, Any] = {}
    environment = dict.fromkeys(THREAD_VARIABLES, str(threads))
    for number, (key, request) in enumerate(requests.items(), start=1):
        of_agent = "agent" in request
        what = f"{request['agent']} as on" if of_agent else "the simulator of"
        what += f" {request['task']}"
        say(f"measuring {what} ({number} of {len(requests)})")
        with Child([*command, json.dumps(request)], environment) as child:
            answer = child.answer(_AGENT_PATIENCE if of_agent else _TASK_PATIENCE)
            answer = answer or {"error": child.ending()}
        answers[key] = answer
        if "error" in answer:
            answer["error"] = f"{what}: {answer['error']}"
        if "error" not in answer:
            CACHE.keep({key: answer})
    return answers
