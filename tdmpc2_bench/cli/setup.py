"""`tdmpc2-bench setup`: give a suite an interpreter of its own."""

from __future__ import annotations

from pathlib import Path

import click

from tdmpc2_bench.cli import candidates


@click.command()
@click.argument("suite", shell_complete=candidates.one_of(candidates.separate_suites))
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="The folder that becomes its environment.  [default: among your data]")  # fmt: skip # noqa: E501
@click.option("--python", metavar="PROGRAM", help="The Python to build it with.  [default: one of the suite's version]")  # fmt: skip # noqa: E501
def command(suite: str, *, into: Path | None, python: str | None) -> None:
    """Build the interpreter of SUITE, whose versions exclude those of the other suites.

    A virtual environment with the very versions that were tested, tried on a task; from then on
    the suite's tasks are played there. Again, it does nothing if these versions are there.
    """
    from tdmpc2_bench.provision import setup  # `--help` needs none of it

    done = setup(suite, into=into, python=python, say=click.echo)
    click.echo(
        f"{'set up' if done.built else 'is set up'}: {done.python}\n"
        f"{done.tried}: {done.steps_per_s:,.0f} environment steps/s"
    )
    if done.overruled:
        click.echo(f"but {done.overruled} is set, and names the interpreter that is used")
