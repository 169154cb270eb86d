"""`tdmpc2-bench eval`: play a trained agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from tdmpc2_bench.cli.output import print_json, print_table


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--episodes", type=click.IntRange(min=1), default=10, show_default=True, help="Those that evaluations made while training play.")  # fmt: skip # noqa: E501
@click.option("--video", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.mp4", help="Film the first episode in the headline mode.")  # fmt: skip # noqa: E501
@click.option("--device", default="cpu", show_default=True, help="Where the agent computes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every episode.")
def command(path: Path, *, episodes: int, video: Path | None, device: str, as_json: bool) -> None:
    """Evaluate a trained agent in all its modes: for TD-MPC2 the planner, the policy's mean and
    its samples. Nothing but the film is written.

    PATH is a cell's folder like runs/default/tdmpc2/default/walker-walk/1 (its result, or its
    newest checkpoint while it is not finished), one checkpoint of it
    (attempt-1/checkpoints/5000-4000), or a file of weights (weights.safetensors).
    """  # noqa: D205 - the first sentence is long
    from tdmpc2_bench import evaluation, film, results, trained  # `--help` needs none of it

    if video is not None:
        film.prepare(video)  # first of all: a task may load MuJoCo as soon as it is looked up
    agent = trained.find(path)
    found = evaluation.evaluate(agent, episodes=episodes, device=device, video=video)
    means = {mode: float(np.mean(one.returns)) for mode, one in found.items()}
    gap = results.planning_gap(means)
    if as_json:
        modes = {mode: dataclasses.asdict(result) for mode, result in found.items()}
        print_json({"source": agent.source, "task": agent.task.name, "modes": modes, "gap": gap})
        return
    click.echo(f"{agent.identity['agent']} on {agent.task.name}: {agent.source}")
    print_table(
        ("mode", "mean return", "min", "max", "success", "episodes"),
        (
            (mode, means[mode], min(one.returns), max(one.returns), _share(one.success_last),
             episodes)
            for mode, one in found.items()
        ),
    )  # fmt: skip
    if gap is not None:
        click.echo(f"planning adds {gap:.4g} to the policy's mean")
    if video is not None:
        click.echo(str(video))


def _share(successes: Sequence[bool | None]) -> float | None:
    """Fraction of successful episodes; None where the suite has no success."""
    known = [success for success in successes if success is not None]
    return float(np.mean(known)) if known else None
