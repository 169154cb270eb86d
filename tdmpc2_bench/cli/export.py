"""`tdmpc2-bench export`: show what was found elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from tdmpc2_bench.cli import candidates

# What to do with what was written, at {place}.
_NEXT = {
    "tensorboard": "look at it with: tensorboard --logdir {place}",
    "wandb": "send it with: wandb sync {place}/wandb/offline-run-*",
    "csv": "{place}/evals.csv\n{place}/train.csv",
    "parquet": "{place}/table.parquet",
}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", required=True, shell_complete=candidates.one_of(candidates.sinks), metavar="SINK", help="tensorboard, wandb (Weights & Biases), csv or parquet.")  # fmt: skip # noqa: E501
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Where to write.  [default: FOLDER/export]")  # fmt: skip # noqa: E501
@click.option("--project", metavar="NAME", help="Of Weights & Biases.  [default: tdmpc2-bench]")
@click.option("--online", is_flag=True, help="Send the runs to Weights & Biases now; otherwise they are files for `wandb sync`.")  # fmt: skip # noqa: E501
def command(folder: Path, *, to: str, out: Path | None, project: str | None, online: bool) -> None:
    """Show the curves of the experiment in FOLDER elsewhere; nothing of the experiment changes.

    csv: a row per evaluation episode and per training episode; parquet: the long table, a row per
    evaluation and mode; else curves of evaluations and training episodes over environment steps.
    Each step comes once, however often a cell was stopped and continued. Exporting again replaces
    what was exported before.
    """
    from tdmpc2_bench.sinks.export import export  # `--help` needs none of it

    place = export(folder, to=to, out=out, project=project, online=online)
    done = "sent to Weights & Biases" if online else _NEXT[to].format(place=place)
    click.echo(done)
