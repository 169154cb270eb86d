"""`tdmpc2-bench eval`: play a trained agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from tdmpc2_bench.cli.output import print_json, print_table


@click.command()
@click.argument("cell", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--episodes", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(cell: Path, *, episodes: int, device: str, as_json: bool) -> None:
    """Evaluate the agent of a finished CELL in all its modes. Nothing is written.

    CELL is a folder like runs/default/tdmpc2/default/walker-walk/1. Episodes are those of the
    evaluations made while training.
    """
    from tdmpc2_bench.evaluation import evaluate_cell  # `--help` needs none of it

    found = evaluate_cell(cell, episodes=episodes, device=device)
    if as_json:
        print_json({mode: dataclasses.asdict(result) for mode, result in found.items()})
        return
    print_table(
        ("mode", "mean return", "min", "max", "success", "episodes"),
        (
            (
                mode,
                float(np.mean(one.returns)),
                min(one.returns),
                max(one.returns),
                _share(one.success_last),
                episodes,
            )
            for mode, one in found.items()
        ),
    )


def _share(successes: Sequence[bool | None]) -> float | None:
    """Fraction of successful episodes; None where the suite has no success."""
    known = [success for success in successes if success is not None]
    return float(np.mean(known)) if known else None
