"""`tdmpc2-bench why`: how a cell came to its condition."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from tdmpc2_bench.cli.output import print_json
from tdmpc2_bench.diagnosis import diagnose


@click.command()
@click.argument("cell", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(cell: Path, *, as_json: bool) -> None:
    """Say why CELL is done, failed or stopped: kind of failure, traceback, last output.

    CELL is a folder like runs/default/tdmpc2/default/walker-walk/1.
    """
    found = diagnose(cell)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    one = found.status
    line = f"{one.agent}/{one.variant}/{one.task}/{one.seed}: {one.status}"
    if found.kind != one.status:
        line += f" ({found.kind})"
    if found.attempt is not None:
        budget = "?" if one.budget is None else f"{one.budget:,}"
        line += f", attempt {found.attempt}, at {one.env_step:,} of {budget} environment steps"
    click.echo(line)
    for heading, text in (("Reason", found.reason), ("Traceback", found.traceback),
                          ("Last output", found.output)):  # fmt: skip
        if text and not (heading == "Last output" and text in found.traceback):
            click.echo(f"\n{heading}:\n" + "\n".join(f"  {row}" for row in text.splitlines()))
    click.echo(f"\n{found.advice}")
