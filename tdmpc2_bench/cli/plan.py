"""`tdmpc2-bench plan`: what training will take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from tdmpc2_bench.cli.output import duration, print_json, print_table, size
from tdmpc2_bench.cli.selection import (
    device_option,
    selects_experiments,
    shard_option,
    threads_option,
    workers_option,
)
from tdmpc2_bench.errors import UsageError

if TYPE_CHECKING:
    from tdmpc2_bench.cost import Cost, Forecast, Proposal
    from tdmpc2_bench.experiment import Experiment

_SHOWN = 40  # rows unless all are asked for
_HOUR = 3600.0  # seconds


@click.command()
@selects_experiments
@workers_option
@threads_option
@device_option
@shard_option
@click.option("--budget", metavar="TIME", help="Propose what fits into so much time, like 30m, 100h or 3d, with all workers.")  # fmt: skip # noqa: E501
@click.option("--remeasure", is_flag=True, help="Measure speeds again that are known already.")
@click.option("--all", "every", is_flag=True, help="List every row, of large plans too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(  # noqa: PLR0913 - a command's options are its parameters
    *,
    experiments: Sequence[Experiment],
    workers: int,
    threads: int,
    device: str,
    shard: str | None,
    budget: str | None,
    remeasure: bool,
    every: bool,
    as_json: bool,
) -> None:
    """Say how long training will take, and how much disk and memory, before anything is started.

    What is to be trained is said as to `run`. Speeds are measured on this machine, a few seconds
    per agent and task, and kept; one process at a time, so that several beside each other may take
    longer. Cells that are finished already are counted too.
    """
    from tdmpc2_bench import cost, grid, plan, speeds  # `--help` needs none of it

    grid.Limits(workers=workers, threads=threads)  # refuses what cannot work
    limit = None if budget is None else _seconds(budget)
    jobs = plan.jobs(experiments, device=device)
    if shard is not None:
        jobs = plan.shard(jobs, shard)
    known = speeds.of_jobs(
        jobs, threads=threads, anew=remeasure, say=lambda text: click.echo(text, err=True)
    )
    found = cost.of_jobs(jobs, known, workers=workers)
    smaller = None
    if limit is not None and found.seconds > limit:
        smaller = cost.proposals(jobs, known, workers=workers, seconds=limit)
    for reason in found.unknown:
        click.echo(f"Warning: not counted, since it could not be measured: {reason}", err=True)
    if as_json:
        print_json(_as_json(found, smaller))
        return
    _print_rows(found, every=every)
    _print_groups(found)
    click.echo(
        f"all {len(jobs):,}: {duration(found.seconds)} with {workers} "
        f"worker{'s' if workers > 1 else ''}, at most {size(found.disk)} of disk and "
        f"{size(found.memory)} of memory"
    )
    if limit is not None:
        _print_proposals(limit, smaller)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([mhd])\s*", text)
    if not match or not float(match[1]):
        msg = f"--budget {text}: expected a time like 30m, 100h or 3d"
        raise UsageError(msg)
    return float(match[1]) * _HOUR * {"m": 1 / 60, "h": 1, "d": 24}[match[2]]


def _grouped(costs: Sequence[Cost], *names: str) -> Mapping[tuple[Any, ...], list[Cost]]:
    """Costs by some of suite, agent, variant and task."""
    from tdmpc2_bench import registry

    groups: dict[tuple[Any, ...], list[Cost]] = {}
    for cost in costs:
        cell = cost.job.cell
        about = {
            "suite": registry.task(cell.task).suite,
            "agent": cell.agent,
            "variant": cell.variant,
            "task": cell.task,
        }
        groups.setdefault(tuple(about[name] for name in names), []).append(cost)
    return groups


def _hours(costs: Sequence[Cost]) -> float:
    return sum(cost.seconds for cost in costs) / _HOUR


def _print_rows(found: Forecast, *, every: bool) -> None:
    """A row per agent, variant and task, the longest cells first."""
    rows = sorted(
        _grouped(found.costs, "agent", "variant", "task").items(),
        key=lambda row: row[1][0].seconds,
        reverse=True,
    )
    shown = rows if every else rows[:_SHOWN]
    print_table(
        (
            "agent",
            "variant",
            "task",
            "cells",
            "env steps each",
            "time each",
            "disk each",
            "memory",
        ),
        (
            (
                *names,
                len(costs),
                costs[0].job.steps,
                duration(costs[0].seconds),
                size(costs[0].kept),
                size(costs[0].memory),
            )
            for names, costs in shown
        ),
    )
    if len(rows) > len(shown):
        click.echo(f"... and {len(rows) - len(shown):,} rows more; --all lists every one")
    click.echo()


def _print_groups(found: Forecast) -> None:
    print_table(
        ("suite", "agent", "variant", "cells", "env steps", "time", "disk"),
        (
            (
                *names,
                len(costs),
                sum(cost.job.steps for cost in costs),
                duration(sum(cost.seconds for cost in costs)),
                size(sum(cost.kept for cost in costs)),
            )
            for names, costs in _grouped(found.costs, "suite", "agent", "variant").items()
        ),
    )
    click.echo()


def _print_proposals(limit: float, smaller: Sequence[Proposal] | None) -> None:
    if smaller is None:
        click.echo(f"That fits into {duration(limit)}.")
        return
    click.echo(f"\nThat does not fit into {duration(limit)}.", nl=False)
    click.echo(
        " What does:" if smaller else " Not even one seed, task or evaluation interval does."
    )
    for one in smaller:
        click.echo(f"- {one.what} ({one.cells:,} cells, {duration(one.seconds)}):\n  {one.options}")


def _as_json(found: Forecast, smaller: Sequence[Proposal] | None) -> dict[str, Any]:
    """Disk and memory in bytes; hours are of one process, but for the total and the proposals."""
    import dataclasses

    cells = sorted(found.costs, key=lambda cost: cost.seconds, reverse=True)
    return {
        "cells": [
            {
                **dataclasses.asdict(cost.job.cell),
                "env_steps": cost.job.steps,
                "hours": cost.seconds / _HOUR,
                "disk": cost.kept,
                "disk_while_training": cost.working,
                "memory": cost.memory,
            }
            for cost in cells
        ],
        "groups": [
            {
                **dict(zip(("suite", "agent", "variant"), names, strict=True)),
                "cells": len(costs),
                "env_steps": sum(cost.job.steps for cost in costs),
                "hours": _hours(costs),
                "disk": sum(cost.kept for cost in costs),
            }
            for names, costs in _grouped(found.costs, "suite", "agent", "variant").items()
        ],
        "total": {
            "cells": len(cells),
            "workers": found.workers,
            "hours": found.seconds / _HOUR,
            "disk": found.disk,
            "memory": found.memory,
        },
        "not_measured": found.unknown,
        "proposals": None
        if smaller is None
        else [{**dataclasses.asdict(one), "hours": one.seconds / _HOUR} for one in smaller],
    }
