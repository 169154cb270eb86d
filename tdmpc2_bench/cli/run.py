"""`tdmpc2-bench run`: train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdmpc2_bench.cli import candidates
from tdmpc2_bench.cli.selection import (
    device_option,
    limits_runners,
    selects_experiments,
    shard_option,
    split,
)

if TYPE_CHECKING:
    from tdmpc2_bench.experiment import Experiment
    from tdmpc2_bench.grid import Limits, Watcher
    from tdmpc2_bench.job import Job


@click.command()
@selects_experiments
@limits_runners
@device_option
@shard_option
@click.option("--allow", multiple=True, shell_complete=candidates.list_of(candidates.allowed), metavar="WHAT,..", help="Go on although a cell is damaged (it is trained anew), inexact (an episode is dropped) or changed (its result is marked).")  # fmt: skip # noqa: E501
@click.option("--tensorboard", is_flag=True, help="Show the curves in TensorBoard while training, from OUT/tensorboard.")  # fmt: skip # noqa: E501
@click.option("--report", is_flag=True, help="Draw figures and write tables at the end.")
@click.option("--dry-run", is_flag=True, help="Show the cells and stop.")
def command(  # noqa: PLR0913 - a command's options are its parameters
    *,
    experiments: Sequence[Experiment],
    limits: Limits,
    device: str,
    shard: str | None,
    allow: tuple[str, ...],
    tensorboard: bool,
    report: bool,
    dry_run: bool,
) -> int:
    """Train agents on tasks, one cell per agent, task and seed.

    EXPERIMENT is a YAML file that says what to train; options change what it says, or say it all.
    It may also be the folder of an experiment begun before, which is then continued.

    The same command again continues what is missing and leaves finished cells alone; larger
    --steps extend them. Ctrl-C or SIGTERM stops after writing checkpoints.

    \b
    tdmpc2-bench run --suite all
    tdmpc2-bench run --task walker-walk --seeds 1-3 --steps 100k --set horizon=5 --out runs/x
    tdmpc2-bench run experiment.yaml --workers 4
    """  # noqa: D301 - \b keeps click from joining the lines
    from tdmpc2_bench import experiment, gpus, plan, sinks  # `run --help` needs none of it

    planned = plan.jobs(experiments, device=device, allow=split(allow))
    if shard is not None:
        planned = plan.shard(planned, shard)
    if not dry_run:
        plan.check_runnable(planned)
    for warning in plan.warnings(planned):
        click.echo(f"Warning: {warning}", err=True)
    if dry_run:
        for job in planned:
            click.echo(f"{job.cell}  {job.steps:,} environment steps")
        click.echo(f"{len(planned)} cells")
        return 0
    gpus.Gpus.wanted_by(planned, gib_each=limits.gpu_memory)  # refuses what is not there
    if tensorboard:
        sinks.check_available("tensorboard")
    for one in experiments:
        experiment.store(one)
    code = _train(planned, limits, tensorboard=tensorboard)
    if report:
        from tdmpc2_bench.cli.report import draw

        for out in dict.fromkeys(one.out for one in experiments):
            draw(Path(out))
    return code


def _train(planned: Sequence[Job], limits: Limits, *, tensorboard: bool) -> int:
    from tdmpc2_bench import grid
    from tdmpc2_bench.cli.progress import watcher
    from tdmpc2_bench.job import StopRequest

    stop = StopRequest()
    with stop.listening(), watcher() as shown, _followed(shown, tensorboard=tensorboard) as watch:
        outcome = grid.run(planned, stop, limits, watch=watch)
    parts = {
        "finished": len(outcome.finished),
        "of them diverged": len(outcome.diverged),
        "finished before": len(outcome.already),
        "failed": len(outcome.failed),
        "not finished": len(outcome.stopped),
    }
    click.echo(", ".join(f"{count} {word}" for word, count in parts.items() if count))
    for cell, text in {**outcome.failed, **outcome.stopped}.items():
        click.echo(f"{cell}: {text}", err=True)
    for cell in outcome.diverged:
        click.echo(f"{cell}: diverged, see `tdmpc2-bench why`", err=True)
    if outcome.stopped:
        click.echo("The same command continues.", err=True)
    return int(outcome.code)


@contextmanager
def _followed(watch: Watcher, *, tensorboard: bool) -> Iterator[Watcher]:
    """The watcher, and TensorBoard beside it if that is asked for."""
    if not tensorboard:
        yield watch
        return
    from tdmpc2_bench.sinks import live

    with live.watcher(watch, warn=lambda text: click.echo(f"Warning: {text}", err=True)) as both:
        yield both
