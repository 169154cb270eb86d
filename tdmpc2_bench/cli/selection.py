"""Options that several commands share: what is to be trained, and within which limits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tdmpc2_bench.cli import candidates
from tdmpc2_bench.errors import UsageError

# They have no defaults of their own: what is not given leaves an experiment file as it is.
_OPTIONS = (
    click.argument("experiment", required=False, type=click.Path(path_type=Path)),
    click.option("--task", "tasks", multiple=True, shell_complete=candidates.list_of(candidates.tasks), metavar="PATTERN,..", help="Tasks: name, glob, suite:NAME, tag:NAME, mt30, mt80, gym:ENV_ID, all."),  # noqa: E501
    click.option("--suite", "suites", multiple=True, shell_complete=candidates.list_of(candidates.suites), metavar="NAME,..", help="All tasks of these suites, or `all` 104."),  # noqa: E501
    click.option("--agent", "agents", multiple=True, shell_complete=candidates.list_of(candidates.agents), metavar="NAME,..", help="Agents, see `ls agents`.  [default: tdmpc2]"),  # noqa: E501
    click.option("--preset", shell_complete=candidates.one_of(candidates.presets), metavar="NAME", help="Full settings to start from, see `ls presets`."),  # noqa: E501
    click.option("--set", "settings", multiple=True, shell_complete=candidates.list_of(candidates.settings), metavar="KEY=VALUE,..", help="Change settings of the agent, for instance size=1."),  # noqa: E501
    click.option("--seeds", metavar="N,N-M,..", help="For instance 1-3,7.  [default: 1-3]"),
    click.option("--steps", metavar="COUNT", help="Training length, environment steps, like 100k.  [default: the paper's]"),  # noqa: E501
    click.option("--eval-every", metavar="COUNT", help="Environment steps between evaluations.  [default: the paper's]"),  # noqa: E501
    click.option("--eval-episodes", metavar="COUNT", help="Episodes per evaluation and mode.  [default: 10]"),  # noqa: E501
    click.option("--keep", shell_complete=candidates.one_of(candidates.kept), metavar="WHAT", help="What stays of a finished cell besides logs: its weights, also its replay, or all.  [default: all, so that it can be extended]"),  # noqa: E501
    click.option("--keep-every", metavar="COUNT", help="Also keep weights every so many environment steps."),  # noqa: E501
    click.option("--out", metavar="FOLDER", help="The experiment's folder.  [default: runs/default, or runs/ and the file's name]"),  # noqa: E501
)  # fmt: skip

workers_option = click.option("--workers", type=int, default=1, show_default=True, help="Cells trained at the same time, one process each.")  # fmt: skip # noqa: E501
threads_option = click.option("--threads", type=int, default=1, show_default=True, help="Computing threads per process.")  # fmt: skip # noqa: E501
device_option = click.option("--device", default="cpu", show_default=True, help="Where agents compute: cpu, cuda (shared out over the GPUs there are), cuda:1.")  # fmt: skip # noqa: E501
shard_option = click.option("--shard", metavar="N/M", help="Only the N-th of M parts of the cells, the same on every machine.")  # fmt: skip # noqa: E501

_LIMITS = (
    workers_option,
    threads_option,
    click.option("--retries", type=int, default=2, show_default=True, help="How often a cell is tried again that failed for want of memory, disk or network."),  # noqa: E501
    click.option("--timeout", type=float, metavar="HOURS", help="Longest time for one cell; it saves and stops then, and the same command continues it.  [default: none]"),  # noqa: E501
    click.option("--stall", type=float, metavar="HOURS", default=0.5, show_default=True, help="Longest time a cell may stand still before it is ended."),  # noqa: E501
    click.option("--gpu-memory", type=float, metavar="GIB", default=4.0, show_default=True, help="Memory of a GPU that one cell is given, with --device cuda."),  # noqa: E501
)  # fmt: skip


def limits_runners(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that limit runners; it gets them as ``limits``."""

    @functools.wraps(function)
    def command(  # noqa: PLR0913 - one parameter per option
        *,
        workers: int,
        threads: int,
        retries: int,
        timeout: float | None,
        stall: float,
        gpu_memory: float,
        **others: Any,  # the command's own options
    ) -> Any:
        from tdmpc2_bench.grid import Limits  # `--help` needs none of it

        limits = Limits(
            workers=workers,
            threads=threads,
            retries=retries,
            timeout=None if timeout is None else timeout * 3600,
            stall=stall * 3600,
            gpu_memory=gpu_memory,
        )
        return function(limits=limits, **others)

    for option in reversed(_LIMITS):
        command = option(command)
    return command


def selects_experiments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options above; it gets what they say as ``experiments``, a list."""

    @functools.wraps(function)
    def command(  # noqa: PLR0913 - one parameter per option
        *,
        experiment: Path | None,
        tasks: tuple[str, ...],
        suites: tuple[str, ...],
        agents: tuple[str, ...],
        preset: str | None,
        settings: tuple[str, ...],
        seeds: str | None,
        steps: str | None,
        eval_every: str | None,
        eval_episodes: str | None,
        keep: str | None,
        keep_every: str | None,
        out: str | None,
        **others: Any,  # the command's own options
    ) -> Any:
        from tdmpc2_bench.experiment import load, resolve  # `--help` needs none of it

        patterns = [*tasks, *(s if s == "all" else f"suite:{s}" for s in split(suites))]
        described = {
            "tasks": patterns or None,
            "agents": list(agents) or None,
            "preset": preset,
            "set": parse_settings(settings) or None,
            "seeds": seeds,
            "steps": steps,
            "eval_every": eval_every,
            "eval_episodes": eval_episodes,
            "keep": keep,
            "keep_every": keep_every,
            "out": out,
        }
        found = [resolve(described)] if experiment is None else load(experiment, described)
        return function(experiments=found, **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_settings(items: tuple[str, ...]) -> dict[str, str]:
    """Settings from ("horizon=5", "num_q=2,size=1").

    Raises:
        UsageError: not of the form key=value, or a key twice.
    """
    settings: dict[str, str] = {}
    for item in split(items):
        key, sign, value = (part.strip() for part in item.partition("="))
        if not (sign and key and value):
            msg = f"--set {item}: expected key=value, for instance horizon=5"
            raise UsageError(msg)
        if key in settings:
            msg = f"--set {key}: given twice"
            raise UsageError(msg)
        settings[key] = value
    return settings


def split(texts: tuple[str, ...]) -> list[str]:
    """The parts of options that may be repeated or hold several parts between commas."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
