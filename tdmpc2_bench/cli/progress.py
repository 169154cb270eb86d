"""What a running grid shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tdmpc2_bench.cli.output import duration
from tdmpc2_bench.grid import Outcome, Watcher
from tdmpc2_bench.runner_process import RunnerProcess

_LINE_SECONDS = 30.0  # between plain lines about the same cell
_LEARNER_WIDTH = 24  # characters of agent and variant in the live table
_SPEED_SECONDS = 300.0  # over which the speed is taken


class _Speed:
    """Environment steps per second and time left, from a cell's last minutes."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def update(self, env_step: int | None) -> float | None:
        """Take in where the cell stands; returns environment steps per second, once known."""
        if env_step is None:
            return None
        now = time.monotonic()
        if not self._marks or env_step > self._marks[-1][1]:
            self._marks.append((now, env_step))
        recent = [mark for mark in self._marks if now - mark[0] < _SPEED_SECONDS]
        self._marks = recent or self._marks[-1:]
        (begin, first), (_, last) = self._marks[0], self._marks[-1]
        seconds = now - begin
        return (last - first) / seconds if last > first and seconds > 0 else None


class _Row:
    """One running cell as text."""

    def __init__(self, one: RunnerProcess, speed: _Speed) -> None:
        progress = one.progress()
        step, budget = progress.get("env_step"), one.job.steps
        rate = speed.update(step)
        self.cell = str(one.cell)
        self.place = f"{one.cell.task}/{one.cell.seed}"
        self.learner = f"{one.cell.agent}/{one.cell.variant}"
        self.phase = progress.get("phase", "starting")
        self.step = f"{'…' if step is None else f'{step:,}'} / {budget:,}"
        self.train = _number(progress.get("train_return"))
        self.evaluation = _number(progress.get("eval_return"))
        self.rate = f"{rate:.1f}" if rate else ""
        to_do = budget - (step or 0)  # 0 while updates are made up for at the end: time is open
        self.left = duration(to_do / rate) if rate and to_do else ""
        self.evaluated_at = progress.get("eval_step")

    def line(self) -> str:
        parts = [f"{self.cell}: {self.step} env steps, {self.phase}"]
        parts += [f"train return {self.train}"] if self.train else []
        parts += [f"eval return {self.evaluation}"] if self.evaluation else []
        parts += [f"{self.rate} env steps/s"] if self.rate else []
        parts += [f"{self.left} left"] if self.left else []
        return ", ".join(parts)


@contextmanager
def watcher() -> Iterator[Watcher]:
    """What the grid calls to show where it stands."""
    console = Console()
    speeds: dict[str, _Speed] = {}
    if not console.is_terminal:
        yield _lines(speeds)
        return
    with Live(console=console, refresh_per_second=4) as live:

        def watch(running: Sequence[RunnerProcess], outcome: Outcome) -> None:
            live.update(_table(_rows(running, speeds), outcome))

        yield watch


def _rows(running: Sequence[RunnerProcess], speeds: dict[str, _Speed]) -> list[_Row]:
    return [_Row(one, speeds.setdefault(str(one.cell), _Speed())) for one in running]


def _table(rows: Sequence[_Row], outcome: Outcome) -> Table:
    table = Table(
        caption=f"{len(outcome.finished) + len(outcome.already)} finished, "
        f"{len(outcome.failed)} failed",
        expand=False,
        box=box.SIMPLE_HEAD,
    )
    # On a narrow terminal the settings give way, and neither what tells cells apart nor numbers.
    table.add_column("task/seed", no_wrap=True)
    table.add_column("agent/variant", overflow="ellipsis", min_width=7, max_width=_LEARNER_WIDTH)
    for name in ("doing", "env steps", "train", "eval", "steps/s", "left"):
        table.add_column(name, justify="left" if name == "doing" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.place,
            row.learner,
            row.phase,
            row.step,
            row.train,
            row.evaluation,
            row.rate,
            row.left,
        )
    return table


def _lines(speeds: dict[str, _Speed]) -> Watcher:
    """Print a line when a cell begins, has evaluated or ends, and now and then in between."""
    said: dict[str, tuple[float, object]] = {}
    finished: set[str] = set()

    def watch(running: Sequence[RunnerProcess], outcome: Outcome) -> None:
        for row in _rows(running, speeds):
            last, evaluated_at = said.get(row.cell, (0.0, "nothing yet"))
            if time.monotonic() - last > _LINE_SECONDS or evaluated_at != row.evaluated_at:
                said[row.cell] = (time.monotonic(), row.evaluated_at)
                click.echo(row.line())
        for cell in map(str, outcome.finished):
            if cell not in finished:
                finished.add(cell)
                click.echo(f"{cell}: finished")

    return watch


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
