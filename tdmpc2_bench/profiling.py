"""Where an agent's time goes on this machine, and how near it is to what its products need.

``python -P -m tdmpc2_bench.profiling REQUEST`` answers with a line of JSON; `profile` asks it, as a
process of its own, since threads are chosen when a process starts.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tdmpc2_bench import calibration, experiment, plan, record, registry, speeds
from tdmpc2_bench.calibration import Rehearsal, Timing, timed
from tdmpc2_bench.child import THREAD_VARIABLES, Child, answering, module
from tdmpc2_bench.errors import BenchError, UsageError
from tdmpc2_bench.grid import Limits

COMMAND = module("tdmpc2_bench.profiling")
_PATIENCE = 1800.0  # seconds; the largest model on a CPU takes minutes for an update
_REPEATS = 7  # of acting and learning; the median counts


def profile(
    described: Mapping[str, Any],
    *,
    device: str = "cpu",
    threads: int = 1,
    lanes: int = 1,
) -> dict[str, Any]:
    """Measure one agent on one task.

    Args:
        described: keys of an experiment of one agent and one task.
        device: where the agent computes.
        threads: computing threads.
        lanes: seeds trained side by side in the process.

    Returns:
        Plain values as of `profile --json`, see docs/performance.md; times in milliseconds, memory
        in bytes. What `plan` uses of it is kept for it.

    Raises:
        UsageError: something in the request is wrong.
        BenchError: it could not be measured.
    """
    Limits(threads=threads)  # refuses what cannot work
    if lanes < 1:
        msg = f"lanes: expected at least 1, got {lanes}"
        raise UsageError(msg)
    jobs = plan.jobs([experiment.resolve({**described, "seeds": 1})], device=device)
    if len(jobs) != 1:
        msg = f"profile: expected one agent and one task, got {len(jobs)} of them"
        raise UsageError(msg)
    (job,) = jobs
    plan.check_runnable(jobs)
    request = {**speeds.agent_request(job), "lanes": lanes}
    environment = dict.fromkeys(THREAD_VARIABLES, str(threads))
    with Child([*COMMAND, json.dumps(request)], environment) as child:
        answer = child.answer(_PATIENCE) or {"error": f"{job.cell}: {child.ending()}"}
    if "error" in answer:
        raise BenchError(answer["error"])
    if lanes == 1:
        speeds.keep(job, agent=answer["speed"], task=answer["task_speed"], threads=threads)
    about = {"agent": job.agent, "variant": job.cell.variant, "task": job.task, "device": device}
    return {**about, "threads": threads, "lanes": lanes, **answer["profile"]}


def measure(request: Mapping[str, Any]) -> dict[str, Any]:
    """In the child: what `profile` returns of it, and the speeds that `plan` is to know."""
    task_speed = calibration.task_speed(request)
    rehearsal = Rehearsal(request, lanes=request["lanes"])
    speed = calibration.speed_of(rehearsal, request["eval_episodes"])
    act = timed(rehearsal.decision(1, "train"), _REPEATS)
    update = timed(rehearsal.agent.update, _REPEATS) if rehearsal.burst else None
    seconds = rehearsal.agent.lanes * task_speed.step + act.median
    seconds += speed.updates_per_step * (update.median if update else 0.0)
    found: dict[str, Any] = {
        "env_step_ms": task_speed.step * 1e3,
        **_milliseconds("act", act),
        **_milliseconds("update", update),
        **_anatomy(rehearsal, request["device"], act, update),
        "log_ms": _log().median * 1e3,
        "evaluate_ms": speed.evaluate * 1e3
        + request["eval_episodes"] * speed.modes * task_speed.step * 1e3,
        "updates_per_step": speed.updates_per_step,
        "agent_steps_per_s": rehearsal.agent.lanes / seconds,
        "memory": speed.memory,
    }
    return {
        "profile": found,
        "speed": dataclasses.asdict(speed),
        "task_speed": dataclasses.asdict(task_speed),
    }


def _milliseconds(name: str, timing: Timing | None) -> dict[str, float | None]:
    values = timing or (None, None, None)
    return {
        f"{name}_ms{suffix}": None if value is None else value * 1e3
        for suffix, value in zip(("", "_least", "_most"), values, strict=True)
    }


def _anatomy(
    rehearsal: Rehearsal, device: str, act: Timing, update: Timing | None
) -> dict[str, Any]:
    """What only an agent that tells of its parts can be asked: floors, shares, its draw."""
    found: dict[str, Any] = dict.fromkeys(
        ("act_floor_ms", "update_floor_ms", "act_ratio", "update_ratio", "sample_ms", "act_shares",
         "update_shares", "kernels")
    )  # fmt: skip
    parts = _parts(registry.agent(rehearsal.agent_name).package)
    if parts is None or update is None:
        return found
    products = importlib.import_module("tdmpc2_bench.baselines.products")
    shares = importlib.import_module("tdmpc2_bench.baselines.shares")
    agent, lanes = rehearsal.agent, rehearsal.agent.lanes
    for name, timing, needed in (
        ("act", act, parts.act_products),
        ("update", update, parts.update_products),
    ):
        seconds = lanes * products.floor(needed(rehearsal.config, rehearsal.task), device)
        found[f"{name}_floor_ms"] = seconds * 1e3
        found[f"{name}_ratio"] = timing.median / seconds
    found["kernels"] = parts.kernels(agent)
    found["sample_ms"] = timed(lambda: parts.sample(agent)).median * 1e3
    found["act_shares"] = shares.shares(rehearsal.decision(1, "train"))
    found["update_shares"] = shares.shares(agent.update)
    return found


def _parts(package: str) -> ModuleType | None:
    """The agent's module ``anatomy``, if it has one."""
    try:
        return importlib.import_module(f"{package}.anatomy")
    except ModuleNotFoundError:
        return None


def _log() -> Timing:
    """Writing the line of a training episode, not counting how long the disk takes."""
    with tempfile.TemporaryDirectory() as folder:
        log = record.Log(Path(folder) / "train.jsonl")
        row = {"env_step": 1, "return": 1.5, **{f"scalar_{i}": 0.1 * i for i in range(12)}}
        timing = timed(lambda: log.append(row))
        log.close()
    return timing


def main(arguments: Sequence[str]) -> None:
    """Answer one request."""
    with answering() as answer:
        try:
            answer(measure(json.loads(arguments[0])))
        except BenchError as error:
            answer({"error": str(error)})


if __name__ == "__main__":
    main(sys.argv[1:])
