"""`tdmpc2-bench ls`: what there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tdmpc2_bench import registry
from tdmpc2_bench.cli import candidates
from tdmpc2_bench.cli.output import duration, print_json, print_table

if TYPE_CHECKING:
    from tdmpc2_bench.task import Task

# What the table of tasks shows; --json has every column.
_TASK_COLUMNS = (
    "name", "suite", "obs_dim", "action_dim", "episode_steps", "action_repeat", "discount",
    "seed_steps", "budget", "metric", "tags",
)  # fmt: skip

# The task that agents' sizes and costs are told of, unless another is named.
_EXAMPLE = "walker-walk"
_HOUR = 3600.0  # seconds


@click.group()
def command() -> None:
    """List tasks, suites, agents or presets."""


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command()
@click.argument("patterns", nargs=-1, shell_complete=candidates.one_of(candidates.tasks))
@_json_option
def tasks(patterns: tuple[str, ...], *, as_json: bool) -> None:
    """List tasks: all 104, or those PATTERNS select.

    A pattern is a name or alias, a glob ('walker-*'), suite:NAME, tag:NAME, a set (mt30, mt80),
    gym:ENV_ID for any gymnasium environment, or all. Steps are environment steps, except
    seed_steps, which counts agent steps.
    """
    found = registry.select(patterns or ("all",))
    derived = ("episode_agent_steps", "discount", "seed_steps")
    rows: list[dict[str, Any]] = [
        {**dataclasses.asdict(task), **{name: getattr(task, name) for name in derived}}
        for task in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table(_TASK_COLUMNS, ([row[name] for name in _TASK_COLUMNS] for row in rows))


@command.command()
@_json_option
def suites(*, as_json: bool) -> None:
    """List suites, with their number of tasks and whether they run in this version.

    Those that are no part of the benchmark come last: toy, gym, and what other packages add.
    """
    rows = [
        {"name": name, "tasks": len(module.TASKS), "runs": hasattr(module, "make")}
        for name, module in registry.suites().items()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(("name", "tasks", "runs"), ([*row.values()] for row in rows))


@command.command()
@click.option("--task", "name", default=_EXAMPLE, show_default=True, help="The task they are told of.", shell_complete=candidates.one_of(candidates.tasks))  # fmt: skip # noqa: E501
@_json_option
def agents(name: str, *, as_json: bool) -> None:
    """List agents, with the number of parameters they learn and the time a cell of a task takes.

    Both hold for the default preset and one seed. The time is reckoned, as by `plan`, from speeds
    that were measured on this machine with one thread; nothing is measured here.
    """
    task = registry.task(name)
    hours = _hours(task)
    rows: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "revision": entry.revision,
            "parameters": entry.parameters
            and entry.parameters(entry.presets[entry.default_preset], task),
            "hours": hours[entry.name],
            "task": task.name,
            "description": entry.description,
        }
        for entry in registry.agents().values()
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("name", "revision", "parameters", "time", "description")
    shown = ({**row, "time": _time(row["hours"])} for row in rows)
    print_table(columns, ([row[column] for column in columns] for row in shown))
    _explain(task, hours)


def _hours(task: Task) -> Mapping[str, float | None]:
    """Of one process, for one seed of every agent; None where its speed is not known."""
    from tdmpc2_bench import cost, experiment, plan, speeds  # not needed for other lists

    names = list(registry.agents())
    jobs = plan.jobs([experiment.resolve({"tasks": task.name, "agents": names, "seeds": 1})])
    known = speeds.known(jobs)
    costs = cost.of_jobs(jobs, known).costs
    return {one.job.agent: None if one.unknown else one.seconds / _HOUR for one in costs}


def _time(hours: float | None) -> str:
    return "not measured" if hours is None else duration(hours * _HOUR)


def _explain(task: Task, hours: Mapping[str, float | None]) -> None:
    """What the table's numbers are of, and how to have those that are missing."""
    click.echo(
        f"\nParameters and time: one seed of {task.name} ({task.obs_dim} observations, "
        f"{task.action_dim} actions, {task.budget:,} environment steps) with the default preset, "
        "on one thread of this machine."
    )
    if missing := ",".join(name for name, found in hours.items() if found is None):
        click.echo(
            f"Measure what is missing: tdmpc2-bench plan --task {task.name} --agent {missing} "
            "--seeds 1"
        )


@command.command()
@_json_option
def presets(*, as_json: bool) -> None:
    """List every agent's presets with all their settings."""
    rows: list[dict[str, Any]] = []
    for name, entry in registry.agents().items():
        for preset, config in entry.presets.items():
            expanded: Any = config.expanded()
            rows.append(
                {
                    "agent": name,
                    "preset": preset,
                    "default": preset == entry.default_preset,
                    "settings": dataclasses.asdict(expanded),
                }
            )
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['agent']} {row['preset']}{' (default)' if row['default'] else ''}")
        for key, value in row["settings"].items():
            click.echo(f"  {key} = {'by task' if value is None else value}")
