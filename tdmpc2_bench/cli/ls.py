"""`tdmpc2-bench ls`: what there is."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from tdmpc2_bench import registry
from tdmpc2_bench.cli import candidates
from tdmpc2_bench.cli.output import print_json, print_table

# What the table of tasks shows; --json has every column.
_TASK_COLUMNS = (
    "name", "suite", "obs_dim", "action_dim", "episode_steps", "action_repeat", "discount",
    "seed_steps", "budget", "metric", "tags",
)  # fmt: skip


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
@_json_option
def agents(*, as_json: bool) -> None:
    """List agents."""
    rows = [
        {"name": entry.name, "revision": entry.revision, "description": entry.description}
        for entry in registry.agents().values()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(("name", "revision", "description"), ([*row.values()] for row in rows))


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
