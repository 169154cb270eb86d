"""Training from Python: `tdmpc2-bench run` as one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tdmpc2_bench import grid, plan, variant
from tdmpc2_bench.job import StopRequest


def run(  # noqa: PLR0913 - one keyword per option of the command
    tasks: str | Sequence[str],
    *,
    agents: str | Sequence[str] = "tdmpc2",
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] = (1, 2, 3),
    steps: int | None = None,
    eval_every: int | None = None,
    eval_episodes: int = 10,
    device: str = "cpu",
    out: str | Path = "runs/default",
    workers: int = 1,
    threads: int = 1,
) -> grid.Outcome:
    """Train agents on tasks, one cell per agent, task and seed, each in a process of its own.

    Args:
        tasks: names, globs, "suite:NAME", "tag:NAME", "mt30", "mt80" or "all".
        agents: names.
        preset: full settings to start from; None: the agent's default.
        settings: changed settings, for instance ``{"horizon": 5}``.
        seeds: one cell each.
        steps: training length, environment steps; None: the paper's.
        eval_every: environment steps between evaluations; None: the paper's.
        eval_episodes: per evaluation and mode.
        device: where agents compute.
        out: the experiment's folder.
        workers: cells trained at the same time.
        threads: computing threads per process.

    Returns:
        Which cells have finished, failed (with the end of their output) or stopped.

    Raises:
        UsageError: anything in the request is wrong; nothing has been started then.
    """
    request = plan.Request(
        tasks=_several(tasks),
        agents=_several(agents),
        preset=preset,
        settings={key: variant.setting_text(value) for key, value in (settings or {}).items()},
        seeds=[seeds] if isinstance(seeds, int) else seeds,
        steps=steps,
        eval_every=eval_every,
        eval_episodes=eval_episodes,
        device=device,
        out=str(out),
    )
    jobs = plan.jobs(request)
    plan.check_runnable(jobs)
    return grid.run(jobs, StopRequest(), workers=workers, threads=threads)


def _several(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names
