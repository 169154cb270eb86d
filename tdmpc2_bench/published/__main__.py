"""`python -P -m tdmpc2_bench.published TABLES`: make the shipped data files anew."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tdmpc2_bench.errors import BenchError, Exit
from tdmpc2_bench.published.writing import write


@click.command()
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(tables: Path) -> None:
    """Check the published tables in the folder TABLES and write the package's data from them."""
    try:
        written = write(tables)
    except BenchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(Exit.USAGE)
    for path in written:
        click.echo(path)


if __name__ == "__main__":
    command()
