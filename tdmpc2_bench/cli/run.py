"""`tdmpc2-bench run`: train."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.variant import parse_count

if TYPE_CHECKING:
    from tdmpc2_bench.job import Job


_MOST_SEEDS = 10_000  # of one range; more is a slip of the keyboard


class _Count(click.ParamType[int]):
    """A whole number, 100k or 4M allowed."""

    name = "count"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_count(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


def parse_seeds(text: str) -> list[int]:
    """Seeds from "1-3,7".

    Raises:
        UsageError: it is neither numbers nor ranges.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            msg = f"--seeds {text}: expected numbers and ranges like 1-3,7"
            raise UsageError(msg)
        if last - first >= _MOST_SEEDS:
            msg = f"--seeds {text}: expected at most {_MOST_SEEDS:,} seeds"
            raise UsageError(msg)
        seeds += range(first, last + 1)
    return seeds


def parse_settings(items: tuple[str, ...]) -> dict[str, str]:
    """Settings from ("horizon=5", "num_q=2,size=1").

    Raises:
        UsageError: not of the form key=value, or a key twice.
    """
    settings: dict[str, str] = {}
    for item in (part for text in items for part in text.split(",")):
        key, sign, value = (part.strip() for part in item.partition("="))
        if not (sign and key and value):
            msg = f"--set {item}: expected key=value, for instance horizon=5"
            raise UsageError(msg)
        if key in settings:
            msg = f"--set {key}: given twice"
            raise UsageError(msg)
        settings[key] = value
    return settings


def _names(texts: tuple[str, ...]) -> list[str]:
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


@click.command()
@click.option("--task", "tasks", multiple=True, metavar="PATTERN,..", help="Tasks: name, glob, suite:NAME, tag:NAME, mt30, mt80, all.")  # fmt: skip # noqa: E501
@click.option("--suite", "suites", multiple=True, metavar="NAME,..", help="All tasks of these suites, or `all` 104.")  # fmt: skip # noqa: E501
@click.option("--agent", "agents", multiple=True, default=("tdmpc2",), show_default=True, metavar="NAME,..", help="Agents, see `ls agents`.")  # fmt: skip # noqa: E501
@click.option("--preset", metavar="NAME", help="Full settings to start from, see `ls presets`.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE,..", help="Change settings of the agent, for instance size=1.")  # fmt: skip # noqa: E501
@click.option("--seeds", default="1-3", show_default=True, help="For instance 1-3,7.")
@click.option("--steps", type=_Count(), help="Training length, environment steps. [default: the paper's]")  # fmt: skip # noqa: E501
@click.option("--eval-every", type=_Count(), help="Environment steps between evaluations. [default: the paper's]")  # fmt: skip # noqa: E501
@click.option("--eval-episodes", type=int, default=10, show_default=True, help="Episodes per evaluation and mode.")  # fmt: skip # noqa: E501
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Cells trained at the same time, one process each.")  # fmt: skip # noqa: E501
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Computing threads per process.")  # fmt: skip # noqa: E501
@click.option("--device", default="cpu", show_default=True, help="Where agents compute: cpu, cuda, cuda:1.")  # fmt: skip # noqa: E501
@click.option("--out", default="runs/default", show_default=True, help="The experiment's folder.")
@click.option("--report", is_flag=True, help="Draw the learning curves at the end.")
@click.option("--dry-run", is_flag=True, help="Show the cells and stop.")
def command(  # noqa: PLR0913 - a command's options are its parameters
    *,
    tasks: tuple[str, ...],
    suites: tuple[str, ...],
    agents: tuple[str, ...],
    preset: str | None,
    settings: tuple[str, ...],
    seeds: str,
    steps: int | None,
    eval_every: int | None,
    eval_episodes: int,
    workers: int,
    threads: int,
    device: str,
    out: str,
    report: bool,
    dry_run: bool,
) -> int:
    """Train agents on tasks, one cell per agent, task and seed.

    The same command again continues what is missing and leaves finished cells alone; larger
    --steps extend them. Ctrl-C or SIGTERM stops after writing checkpoints.

    \b
    tdmpc2-bench run --suite all
    tdmpc2-bench run --task walker-walk --seeds 1-3 --steps 100k --set horizon=5 --out runs/x
    """  # noqa: D301 - \b keeps click from joining the lines
    from tdmpc2_bench import plan  # `run --help` needs none of it

    patterns = [*_names(tasks), *(s if s == "all" else f"suite:{s}" for s in _names(suites))]
    if not patterns:
        msg = "say what to train on: --task walker-walk, --suite dmcontrol, --suite all"
        raise UsageError(msg)
    planned = plan.jobs(
        plan.Request(
            tasks=patterns,
            agents=_names(agents),
            preset=preset,
            settings=parse_settings(settings),
            seeds=parse_seeds(seeds),
            steps=steps,
            eval_every=eval_every,
            eval_episodes=eval_episodes,
            device=device,
            out=out,
        )
    )
    for warning in plan.warnings(planned):
        click.echo(f"Warning: {warning}", err=True)
    if dry_run:
        for job in planned:
            click.echo(f"{job.cell}  {job.steps:,} environment steps")
        click.echo(f"{len(planned)} cells")
        return 0
    plan.check_runnable(planned)
    code = _train(planned, workers=workers, threads=threads)
    if report:
        from tdmpc2_bench.cli.report import draw

        draw(Path(out))
    return code


def _train(planned: Sequence[Job], *, workers: int, threads: int) -> int:
    from tdmpc2_bench import grid
    from tdmpc2_bench.cli.progress import watcher
    from tdmpc2_bench.job import StopRequest

    stop = StopRequest()
    with stop.listening(), watcher() as watch:
        outcome = grid.run(planned, stop, workers=workers, threads=threads, watch=watch)
    parts = {
        "finished": len(outcome.finished),
        "finished before": len(outcome.already),
        "failed": len(outcome.failed),
        "not finished": len(outcome.stopped),
    }
    click.echo(", ".join(f"{count} {word}" for word, count in parts.items() if count))
    for cell, text in {**outcome.failed, **outcome.stopped}.items():
        click.echo(f"{cell}: {text}", err=True)
    if outcome.stopped:
        click.echo("The same command continues.", err=True)
    return int(outcome.code)
