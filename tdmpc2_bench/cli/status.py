"""`tdmpc2-bench status`: how far an experiment is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tdmpc2_bench import status, summary
from tdmpc2_bench.cli.output import duration, print_json, print_table
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.status import CellStatus

_SHOWN = 40  # cells that are listed unless all are asked for
_REFRESH_SECONDS = 2.0
_PATIENCE = 4  # reading may take one part in so many of the time

_GROUP_COLUMNS = (
    "suite", "agent", "variant", "cells", *status.WORDS, "env steps", "steps/s", "left"
)  # fmt: skip


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--all", "every", is_flag=True, help="List every cell, of large experiments too.")
@click.option("--watch", is_flag=True, help="Show the groups and keep them fresh until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, *, every: bool, watch: bool, as_json: bool) -> None:
    """Show how far the cells of the experiment in FOLDER are. Steps are environment steps.

    Cells are counted by suite, agent and variant; of large experiments only those that run or
    went wrong are listed.
    """
    if watch:
        _watch(folder)
        return
    found = _read(folder)
    if as_json:
        print_json(status.as_json(found))
        return
    _print_cells(found, every=every or len(found) <= _SHOWN)
    print_table(*_groups(found))
    counts = status.as_json(found)["counts"]
    click.echo(", ".join(f"{n} {word}" for word, n in counts.items()) or "no cells")


def _read(folder: Path) -> list[CellStatus]:
    from tdmpc2_bench import experiment, plan

    try:
        planned = plan.jobs(experiment.load(folder))
    except UsageError as error:  # cells copied from elsewhere, or a plug-in that is missing here
        click.echo(f"Warning: what is missing is not known: {error}", err=True)
        planned = []
    return status.statuses(folder, planned)


def _print_cells(found: Sequence[CellStatus], *, every: bool) -> None:
    quiet = {"done", "missing", "interrupted"}
    shown = [one for one in found if every or one.status not in quiet]
    more = len(shown) - _SHOWN
    if not every and more > 0:
        shown = shown[:_SHOWN]
    if shown:
        print_table(
            ("agent", "variant", "task", "seed", "status", "env_step", "budget", "last return"),
            (
                (one.agent, one.variant, one.task, one.seed, _words(one), one.env_step,
                 one.budget, one.last_return)
                for one in shown
            ),
        )  # fmt: skip
        if not every and more > 0:
            click.echo(f"... and {more:,} more that run or went wrong; --all lists every cell")
        click.echo()


def _words(one: CellStatus) -> str:
    """A cell's status with the class of its failure and its marks."""
    details = [*([one.failure] if one.failure else []), *one.marks]
    return f"{one.status} ({', '.join(details)})" if details else one.status


def _groups(found: Sequence[CellStatus]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of the table of groups, without columns in which there is nothing."""
    rows = [
        [
            one.suite,
            one.agent,
            one.variant,
            one.cells,
            *(one.counts.get(word) for word in status.WORDS),
            one.env_steps,
            one.rate or None,
            None if one.seconds_left is None else duration(one.seconds_left),
        ]
        for one in summary.groups(found)
    ]
    kept = [i for i in range(len(_GROUP_COLUMNS)) if any(row[i] is not None for row in rows)]
    return [_GROUP_COLUMNS[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _watch(folder: Path) -> None:
    """Print the table of groups again and again, in place on a terminal."""
    try:
        while True:
            begun = time.monotonic()
            table = _groups(_read(folder))
            click.clear()  # does nothing where there is no terminal
            click.echo(f"{folder}, {time.strftime('%H:%M:%S')}; Ctrl-C leaves")
            print_table(*table)
            time.sleep(max(_REFRESH_SECONDS, _PATIENCE * (time.monotonic() - begun)))
    except KeyboardInterrupt:
        click.echo()
