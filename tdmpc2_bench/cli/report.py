"""`tdmpc2-bench report`: draw what was found."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from tdmpc2_bench.errors import UsageError


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Draw the learning curves of the experiment in FOLDER into FOLDER/report.

    One curve per task as PNG and SVG, with the numbers it shows as CSV.
    """
    draw(folder)


def draw(folder: Path) -> None:
    """Write the report and print its files.

    Raises:
        UsageError: what it draws with is not installed.
    """
    try:
        page = importlib.import_module("tdmpc2_bench.reports.page")
        written = page.write(folder)
    except ModuleNotFoundError as error:
        if error.name not in {"pandas", "matplotlib"}:
            raise
        msg = f'report needs {error.name}; install: pip install "tdmpc2-bench[report]"'
        raise UsageError(msg) from error
    for path in written:
        click.echo(path)
