"""Training from Python: `tdmpc2-bench run` as one call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tdmpc2_bench import gpus, grid, plan, sinks
from tdmpc2_bench.experiment import load, resolve, store
from tdmpc2_bench.job import Keep, StopRequest
from tdmpc2_bench.sinks import live

_LOGGER = logging.getLogger(__name__)


def run(  # noqa: PLR0913 - one keyword per option of the command
    tasks: str | Sequence[str] | None = None,
    *,
    experiment: str | Path | None = None,
    agents: str | Sequence[str | Mapping[str, Any]] | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: int | str | Sequence[int] | None = None,
    steps: int | str | None = None,
    eval_every: int | str | None = None,
    eval_episodes: int | None = None,
    keep: Keep | None = None,
    keep_every: int | str | None = None,
    out: str | Path | None = None,
    device: str = "cpu",
    allow: Sequence[str] = (),
    limits: grid.Limits | None = None,
    tensorboard: bool = False,
) -> grid.Outcome:
    """Train agents on tasks, one cell per agent, task and seed, each in a process of its own.

    Args:
        tasks: names, globs, "suite:NAME", "tag:NAME", "mt30", "mt80" or "all".
        experiment: a YAML file that says what to train, or the folder of an experiment begun
            before; what else is given changes what it says.
        agents: names, or mappings with name, preset and set; None: tdmpc2.
        preset: full settings to start from; None: the agent's default.
        settings: changed settings of every agent, for instance ``{"horizon": 5}``.
        seeds: one cell each; None: 1, 2 and 3.
        steps: training length, environment steps; None: the paper's.
        eval_every: environment steps between evaluations; None: the paper's.
        eval_episodes: per evaluation and mode; None: 10.
        keep: what stays of a finished cell besides its logs; None: all.
        keep_every: environment steps between weights that stay; None: the last only.
        out: the experiment's folder; None: runs/default, or runs/ and the file's name.
        device: where agents compute.
        allow: what cells are continued in spite of: "damaged", "inexact", "changed".
        limits: how many cells at a time, for how long; None: one, for ever.
        tensorboard: also show the curves in TensorBoard while training, see docs/sinks.md.

    Returns:
        Which cells have finished, failed (with the end of their output) or stopped.

    Raises:
        UsageError: anything in the request is wrong; nothing has been started then.
    """
    described = {
        "tasks": tasks,
        "agents": agents,
        "preset": preset,
        "set": settings,
        "seeds": seeds,
        "steps": steps,
        "eval_every": eval_every,
        "eval_episodes": eval_episodes,
        "keep": keep,
        "keep_every": keep_every,
        "out": None if out is None else str(out),
    }
    experiments = load(Path(experiment), described) if experiment else [resolve(described)]
    jobs = plan.jobs(experiments, device=device, allow=allow)
    plan.check_runnable(jobs)
    limits = limits or grid.Limits()
    gpus.Gpus.wanted_by(jobs, gib_each=limits.gpu_memory)  # refuses what is not there
    if tensorboard:
        sinks.check_available("tensorboard")
    for one in experiments:
        store(one)
    if not tensorboard:
        return grid.run(jobs, StopRequest(), limits)
    with live.watcher(grid.unwatched, warn=_LOGGER.warning) as watch:
        return grid.run(jobs, StopRequest(), limits, watch=watch)
