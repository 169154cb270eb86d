"""`tdmpc2-bench assets`: what tasks need beside their simulators, and where it must lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tdmpc2_bench.cli import candidates
from tdmpc2_bench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from tdmpc2_bench.asset import Assets


@click.command()
@click.argument("patterns", nargs=-1, shell_complete=candidates.one_of(candidates.tasks))
@click.option("--download", is_flag=True, help="Fetch those that are missing, from their makers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(patterns: tuple[str, ...], *, download: bool, as_json: bool) -> None:
    """Show which assets tasks need beside their simulators, and whether they are there.

    Of all tasks, or of those that PATTERNS select as in `ls tasks`. What is downloaded is checked
    against the hash that its makers publish; where they publish none, against that of your first
    download.
    """
    from tdmpc2_bench.download import download as fetch  # `--help` needs none of it
    from tdmpc2_bench.download import needed

    chosen = patterns or ("all",)
    found = (
        fetch(chosen, say=lambda text: click.echo(text, err=True)) if download else needed(chosen)
    )
    rows = [_row(name, assets) for name, assets in found.items()]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("none of these tasks needs any")
        return
    columns = ("task", "archives", "there", "status", "folder", "variable")
    print_table(columns, ([row[column] for column in columns] for row in rows))
    if any(row["status"] == "missing" for row in rows):
        click.echo("fetch them with --download, or name the folder that has them in the variable")


def _row(name: str, assets: Assets) -> dict[str, Any]:
    there = [(assets.folder / archive.content).exists() for archive in assets.archives]
    status = "missing" if assets.missing else "stand-in" if assets.stand_in else "ok"
    return {
        "task": name,
        "archives": len(there),
        "there": sum(there),
        "status": status,
        "missing": assets.missing,
        "identity": None if assets.missing else assets.identity(),
        "folder": str(assets.folder),
        "variable": assets.variable,
    }
