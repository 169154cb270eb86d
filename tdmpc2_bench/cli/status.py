"""`tdmpc2-bench status`: how far an experiment is."""

from __future__ import annotations

from pathlib import Path

import click

from tdmpc2_bench import status
from tdmpc2_bench.cli.output import print_json, print_table


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, *, as_json: bool) -> None:
    """Show how far the cells of the experiment in FOLDER are. Steps are environment steps."""
    found = status.statuses(folder)
    summary = status.as_json(found)
    if as_json:
        print_json(summary)
        return
    print_table(
        ("agent", "variant", "task", "seed", "status", "env_step", "budget", "last return"),
        (
            (one.agent, one.variant, one.task, one.seed, one.status, one.env_step, one.budget,
             one.last_return)
            for one in found
        ),
    )  # fmt: skip
    click.echo(", ".join(f"{n} {word}" for word, n in summary["counts"].items()) or "no cells")
