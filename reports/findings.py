"""What a report shows: everything that figures, tables and the page need, found once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tdmpc2_bench import effort, groups, lines, provenance
from tdmpc2_bench.analysis.bootstrap import LEVEL, REPS
from tdmpc2_bench.celldir import Cell
from tdmpc2_bench.effort import Effort
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.groups import Group
from tdmpc2_bench.lines import Line
from tdmpc2_bench.reports import by_task, estimates
from tdmpc2_bench.reports.budgets import COMMON, Budget
from tdmpc2_bench.reports.estimates import Draws
from tdmpc2_bench.sources import Source

ENOUGH = 0.5  # of a group's tasks that a line must have to be drawn beside lines with more
SEED = 1  # of the bootstrap, unless another is asked for
_COMPUTE_COLUMNS = ("line", "group", "env_step", "hours", "updates", "value", "low", "high", "runs")


@dataclass(frozen=True)
class Findings:
    """Lines, and tables of what they come to.

    Scores are normalised; ``low`` and ``high`` stand beside every ``value``. In tables of groups
    they are intervals of `method`; in those of tasks ``band`` says what they are.
    """

    sources: tuple[str, ...]
    lines: tuple[Line, ...]
    tasks: tuple[str, ...]  # of all lines, in the benchmark's order
    groups: tuple[Group, ...]
    main: Group | None  # the one that stands for all; None where no task has a score
    budgets: tuple[Budget, ...]
    warnings: tuple[str, ...]  # what a reader must be told
    provenance: tuple[tuple[str, str, str], ...]  # source, name and text of each fact
    seed: int  # of the bootstrap, as are the next two
    reps: int
    level: float
    summary: pd.DataFrame = field(repr=False)  # line, group, budget, statistic; coverage
    curves: pd.DataFrame = field(repr=False)  # line, group, statistic along env_step
    profiles: pd.DataFrame = field(repr=False)  # line, group: share of runs above a score
    improvement: pd.DataFrame = field(repr=False)  # group, line over other
    by_task: pd.DataFrame = field(repr=False)  # line, task, budget, in the metric's unit
    task_curves: pd.DataFrame = field(repr=False)  # line, task along env_step, in that unit
    spread: pd.DataFrame = field(repr=False)  # line, task: how far seeds lie apart
    planning: pd.DataFrame = field(repr=False)  # line, task along env_step: planner and policy
    reached: pd.DataFrame = field(repr=False)  # line, task, seed: when a target was reached
    efficiency: pd.DataFrame = field(repr=False)  # line: share of runs there along env_step
    compute: pd.DataFrame = field(repr=False)  # line, group: score, hours, updates along env_step

    @property
    def method(self) -> str:
        """How intervals were made; stands beside the numbers."""
        return f"{self.level:.0%} stratified bootstrap, {self.reps} resamples, seed {self.seed}"

    @cached_property
    def labels(self) -> list[str]:
        """Names of the lines, in their order."""
        return [line.label for line in self.lines]

    def coverage(self, group: str, budget: str = COMMON) -> str:
        """What numbers of a group rest on: "2-3 seeds x 104 tasks, 3 runs missing".

        Of the lines with most of its tasks; figures name the others (`panels.note`).
        """
        rows = self.summary
        rows = rows[(rows["group"] == group) & (rows["budget"] == budget)]
        rows = rows[(rows["statistic"] == "iqm") & (rows["tasks"] >= ENOUGH * rows["of_tasks"])]
        if rows.empty:
            return "no scores"
        seeds = counted(rows["seeds_min"].min(), rows["seeds_max"].max(), "seed")
        text = f"{seeds} x {counted(rows['tasks'].min(), rows['tasks'].max(), 'task')}"
        missing, diverged = int(rows["missing"].sum()), int(rows["diverged"].sum())
        text += f", {counted(missing, missing, 'run')} missing" if missing else ""
        return text + (f", {diverged} diverged" if diverged else "")


def find(
    sources: Sequence[Source], *, seed: int = SEED, reps: int = REPS, level: float = LEVEL
) -> Findings:
    """Look at some sources together.

    Args:
        sources: what to show, in one report.
        seed: of the bootstrap.
        reps: its resamples.
        level: what its intervals claim to cover.

    Raises:
        UsageError: nothing in them has been evaluated, one is there twice, or fewer than one
            resample.
    """
    if reps < 1:
        msg = f"reps: {reps}; expected the number of resamples, 1 or more"
        raise UsageError(msg)
    found, warnings = lines.of(sources)
    if not found:
        names = ", ".join(source.name for source in sources)
        msg = f"nothing in {names} has been evaluated yet: there is nothing to report"
        raise UsageError(msg)
    labels = [line.label for line in found]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        msg = f"{', '.join(repeated)}: named more than once; name every source once"
        raise UsageError(msg)
    named = groups.of(task for line in found for task in line.tasks)
    tasks = tuple(dict.fromkeys(task for group in named for task in group.tasks))
    draws = Draws.draw(found, tasks, named, seed=seed, reps=reps, level=level)
    reached = by_task.reached(draws)
    curves = estimates.curves(draws)
    return Findings(
        sources=tuple(source.name for source in sources),
        lines=tuple(found),
        tasks=tasks,
        groups=tuple(named),
        main=draws.main,
        budgets=tuple(draws.budgets),
        warnings=tuple(warnings),
        provenance=tuple((one.place, *fact) for one in sources for fact in provenance.facts(one)),
        seed=seed,
        reps=reps,
        level=level,
        summary=estimates.summary(draws),
        curves=curves,
        profiles=estimates.profiles(draws),
        improvement=estimates.improvement(draws),
        by_task=by_task.at_budgets(draws),
        task_curves=by_task.curves(draws),
        spread=by_task.spread(draws),
        planning=by_task.planning(draws),
        reached=reached,
        efficiency=by_task.efficiency(draws, reached),
        compute=_compute(draws, curves),
    )


def _compute(draws: Draws, curves: pd.DataFrame) -> pd.DataFrame:
    """The interquartile mean of groups beside mean hours and updates per run at the same step."""
    spent = {name: effort.in_folder(Path(name)) for name in {one.source for one in draws.lines}}
    rows: list[dict[Any, Any]] = []
    of = {line.label: line for line in draws.lines}
    tasks = {group.name: group.tasks for group in draws.groups}
    followed = curves[curves["statistic"] == "iqm"]
    for (label, group), part in followed.groupby(["line", "group"], sort=False):
        line = of[str(label)]
        known = _efforts(line, tasks[str(group)], spent[line.source])
        if not known:
            continue
        steps = part["env_step"].to_numpy()
        hours, updates = np.mean([one.at(steps) for one in known], axis=0)
        measured = part.assign(hours=hours, updates=updates, runs=len(known))
        rows += measured.dropna(subset=["hours"])[[*_COMPUTE_COLUMNS]].to_dict("records")
    return pd.DataFrame(rows, columns=[*_COMPUTE_COLUMNS])


def _efforts(line: Line, tasks: Sequence[str], spent: Mapping[Cell, Effort]) -> list[Effort]:
    cells = (
        Cell(line.agent, line.variant, task, curve.seed)
        for task in tasks
        for curve in line.curves.get(task, ())
    )
    return [spent[cell] for cell in cells if cell in spent]


def counted(low: int, high: int, word: str) -> str:
    """How many, or from how many to how many: "3 seeds", "2-3 seeds", "1 seed"."""
    number = span(low, high)
    return f"{number} {word}" if number == "1" else f"{number} {word}s"


def span(low: int, high: int) -> str:
    """One number, or the two that others lie between: "3", "2-3"."""
    return str(high) if low == high else f"{low}-{high}"
