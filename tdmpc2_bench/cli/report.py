"""`tdmpc2-bench report`: draw what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tdmpc2_bench.cli import candidates, extras
from tdmpc2_bench.cli.selection import split


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Where to write.  [default: report in the first folder]")  # fmt: skip # noqa: E501
@click.option("--only", multiple=True, shell_complete=candidates.list_of(candidates.parts_of_reports), metavar="NAME,..", help="Only these figures, or tables.")  # fmt: skip # noqa: E501
@click.option("--published", is_flag=True, help="Show the published results beside them; alone without a SOURCE.")  # fmt: skip # noqa: E501
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the bootstrap.")  # fmt: skip # noqa: E501
@click.option("--reps", type=click.IntRange(1), default=2000, show_default=True, metavar="N", help="Bootstrap resamples.")  # fmt: skip # noqa: E501
def command(sources: tuple[str, ...], *, only: tuple[str, ...], **options: Any) -> None:
    """Draw figures and write tables of results, several sources together.

    A SOURCE is an experiment's folder (runs/x), a part of it (runs/x/tdmpc2), a folder that import
    wrote, "published", or "published:sac" for one agent. Figures come as SVG, PNG and PDF with the
    numbers they show as CSV; tables as Markdown, LaTeX and CSV.

    \b
    tdmpc2-bench report runs/x
    tdmpc2-bench report runs/x --published --only grid,aggregate
    tdmpc2-bench report --published --out published
    """  # noqa: D301 - \b keeps click from joining the lines
    draw(*sources, only=split(only), **options)


def draw(*sources: str | Path, only: Sequence[str] = (), **options: Any) -> None:
    """Write the report and print where it is; options as of `reporting.report`.

    Raises:
        UsageError: what it draws with is not installed.
    """
    with extras.needed("report", "report"):
        from tdmpc2_bench.reporting import report

        written = report(*sources, only=only, **options)
    for warning in written.warnings:
        click.echo(f"Warning: {warning}", err=True)
    for text in written.skipped:
        click.echo(f"not drawn: {text}", err=True)
    if written.page is not None:
        click.echo(written.page)
    for folder, count in Counter(path.parent for path in written.files).items():
        if folder != written.folder:
            click.echo(f"{folder}: {count} files")
