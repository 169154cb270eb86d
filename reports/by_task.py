"""What lines come to on every single task, with what few seeds allow to say of it.

With fewer than `SEEDS_FOR_INTERVALS` seeds a band is from the lowest to the highest seed, a
description and no interval: a bootstrap of three seeds covers far less than it claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tdmpc2_bench.analysis import aggregate
from tdmpc2_bench.analysis.bootstrap import Resamples, interval
from tdmpc2_bench.lines import Curve, Line
from tdmpc2_bench.reports import budgets
from tdmpc2_bench.reports.budgets import COMMON, Floats
from tdmpc2_bench.reports.estimates import Draws

SEEDS_FOR_INTERVALS = 5
MIN_MAX = "min-max"
FRACTIONS = (0.5, 0.8, 0.95)  # of the best final score, for data efficiency
_POINTS = 41  # at which a task's interval is made; its mean is told everywhere
_NUMBERS = ("value", "low", "high")
_AT_BUDGET = (
    "line", "task", "suite", "metric", "budget", "env_step", *_NUMBERS, "band",
    "score", "seeds", "missing", "diverged",
)  # fmt: skip
_CURVE_COLUMNS = ("line", "task", "metric", "env_step", *_NUMBERS, "band", "seeds", "top")
_SPREAD_COLUMNS = ("line", "task", "seeds", "mean", "low", "high", "spread", "deviation")
_REACHED_COLUMNS = ("line", "task", "seed", "fraction", "target", "env_step")
_EFFICIENCY_COLUMNS = (
    "line", "group", "fraction", "env_step", *_NUMBERS, "tasks", "of_tasks", "runs"
)  # fmt: skip


def at_budgets(draws: Draws) -> pd.DataFrame:
    """Every line, task and budget: mean over seeds in the metric's unit, its band, the score."""
    rows = [row for line in draws.lines for row in _at_budgets(draws, line)]
    return pd.DataFrame(rows, columns=[*_AT_BUDGET])


def _at_budgets(draws: Draws, line: Line) -> Iterator[dict[str, Any]]:
    tasks, about = draws.tasks, _about(line)
    for budget in draws.budgets:
        values = budgets.at(line, tasks, budget, "values")
        lows, highs, bands = _bands(values, draws.resamples[line.label], draws.level)
        means = aggregate.task_means(values)
        scores = aggregate.task_means(budgets.at(line, tasks, budget))
        counts = aggregate.counts(values)
        for place, task in enumerate(tasks):
            if counts[place]:
                curves = line.curves[task]
                yield {
                    "line": line.label,
                    "task": task,
                    **about[task],
                    "budget": budget.name,
                    "env_step": budget.steps.get(task),
                    **dict(zip(_NUMBERS, (means[place], lows[place], highs[place]), strict=True)),
                    "band": bands[place],
                    "score": scores[place],
                    "seeds": int(counts[place]),
                    "missing": line.seeds - int(counts[place]),
                    "diverged": sum(curve.diverged for curve in curves),
                }


def _about(line: Line) -> dict[str, dict[str, str]]:
    """Suite and metric of every task."""
    rows = line.table.drop_duplicates("task")
    facts = zip(rows["task"], rows["suite"], rows["metric"], strict=True)
    return {task: {"suite": suite, "metric": metric} for task, suite, metric in facts}


def _bands(
    values: Floats, resamples: Resamples, level: float
) -> tuple[Floats, Floats, NDArray[np.object_]]:
    """Per task where its band begins and ends, and what it is.

    Args:
        values: shape (runs, tasks).
        resamples: for the same runs and tasks.
        level: of intervals.
    """
    counts = aggregate.counts(values)
    filled = np.where(counts == 0, 0.0, values)  # so that no column is without a number
    low, high = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
    bands = np.full(len(counts), MIN_MAX, dtype=object)
    many = counts >= SEEDS_FOR_INTERVALS
    if many.any():
        found = interval(
            aggregate.task_means, (values[:, many], resamples.of_tasks(many)), level=level
        )
        low[many], high[many] = found.low, found.high
        bands[many] = f"{level:.0%} bootstrap"
    return low, high, bands


def curves(draws: Draws) -> pd.DataFrame:
    """Every line and task along training: mean over seeds, band, and what a score of 1 is."""
    parts = [
        part
        for line in draws.lines
        for place, task in enumerate(draws.tasks)
        if task in line.curves
        for part in [_published(line, task), _curve(draws, line, place, task)]
        if part is not None
    ]
    frames = [part for part in parts if len(part)]
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return found.reindex(columns=[*_CURVE_COLUMNS])


def _published(line: Line, task: str) -> pd.DataFrame | None:
    """What a published line says of its seeds at more steps than it tells of single ones."""
    if line.bands is None:
        return None
    rows = line.bands[line.bands["task"] == task]
    names = {"mean": "value", "min": "low", "max": "high", "n_seeds": "seeds"}
    return (
        rows.rename(columns=names)
        .assign(line=line.label, band=MIN_MAX, top=_top(line.curves[task]))
        .sort_values("env_step")
    )


def _curve(draws: Draws, line: Line, place: int, task: str) -> pd.DataFrame | None:
    """Mean and band at every step that all seeds of the task have got to."""
    if line.bands is not None:
        return None
    of_task = line.curves[task]
    steps = np.unique(np.concatenate([curve.steps for curve in of_task]))
    values = np.full((len(steps), max(line.seeds, 1), 1), np.nan)
    for row, curve in enumerate(of_task):
        values[:, row, 0] = budgets.on(curve, steps, "values")
    counts = np.isfinite(values).sum(axis=1)[:, 0]
    whole = counts == len(of_task)
    steps, values, counts = steps[whole], values[whole], counts[whole]
    if not len(steps):
        return None
    low, high = np.nanmin(values, axis=(1, 2)), np.nanmax(values, axis=(1, 2))
    band = MIN_MAX
    if len(of_task) >= SEEDS_FOR_INTERVALS:
        band = f"{draws.level:.0%} bootstrap"
        resamples = draws.resamples[line.label].of_tasks([place])
        low, high = _intervals(steps, values, resamples, draws.level)
    return pd.DataFrame(
        {
            "line": line.label,
            "task": task,
            "metric": _about_one(line, task),
            "env_step": steps,
            "value": aggregate.task_means(values)[:, 0],
            "low": low,
            "high": high,
            "band": band,
            "seeds": counts,
            "top": _top(of_task),
        }
    )


def _intervals(
    steps: NDArray[np.int64], values: Floats, resamples: Resamples, level: float
) -> tuple[Floats, Floats]:
    """Intervals of the mean of one task, at some of many steps and straight between them."""
    places = np.unique(np.linspace(0, len(steps) - 1, _POINTS).astype(np.int64))
    found = interval(aggregate.mean, (values[places], resamples), level=level)
    return (
        np.interp(steps, steps[places], found.low),
        np.interp(steps, steps[places], found.high),
    )


def _about_one(line: Line, task: str) -> str:
    return str(line.table.loc[line.table["task"] == task, "metric"].iloc[0])


def _top(of_task: tuple[Curve, ...]) -> float:
    """The value that is a score of 1; NaN where that is not known."""
    values = np.concatenate([curve.values for curve in of_task])  # noqa: PD011 - not a frame's
    scores = np.concatenate([curve.scores for curve in of_task])
    if not np.isfinite(scores).all():
        return float("nan")
    return float(values.sum() / scores.sum()) if scores.sum() else 1.0  # all are 0, whatever it is


def spread(draws: Draws) -> pd.DataFrame:
    """How far the seeds of a task lie apart at the common step, in score; two seeds or more."""
    rows: list[dict[str, Any]] = []
    for line in draws.lines:
        scores = draws.scores[COMMON, line.label]
        for place in np.flatnonzero(aggregate.counts(scores) > 1):
            seeds = scores[np.isfinite(scores[:, place]), place]
            numbers = (len(seeds), seeds.mean(), seeds.min(), seeds.max(), np.ptp(seeds))
            values = (line.label, draws.tasks[place], *numbers, seeds.std(ddof=1))
            rows.append(dict(zip(_SPREAD_COLUMNS, values, strict=True)))
    return pd.DataFrame(rows, columns=[*_SPREAD_COLUMNS])


def reached(draws: Draws) -> pd.DataFrame:
    """At which environment step every run first had a fraction of the best final score of its task.

    The best final score is the largest mean over seeds that any line has at the common step; the
    target is the same for all lines. ``env_step`` is NaN for a run that never got there.
    """
    means = [aggregate.task_means(draws.scores[COMMON, line.label]) for line in draws.lines]
    best = np.nanmax(np.where(np.isnan(means), -np.inf, means), axis=0)
    rows = [
        (line.label, task, curve.seed, fraction, target, _first(curve, target))
        for line in draws.lines
        for task, height in zip(draws.tasks, best, strict=True)
        if height > 0
        for curve in line.curves.get(task, ())
        for fraction, target in zip(FRACTIONS, np.array(FRACTIONS) * height, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*_REACHED_COLUMNS])


def _first(curve: Curve, target: float) -> float:
    step = float(aggregate.steps_to(curve.steps, curve.scores, target))
    return step if np.isfinite(step) else float("nan")


def efficiency(draws: Draws, runs: pd.DataFrame) -> pd.DataFrame:
    """Share of runs that have reached each target by an environment step, on the main group.

    Args:
        draws: of all lines.
        runs: what `reached` found.
    """
    rows: list[dict[str, Any]] = []
    group = draws.main
    if group is None or runs.empty:
        return pd.DataFrame(rows, columns=[*_EFFICIENCY_COLUMNS])
    grid = np.unique(runs["env_step"].dropna().astype(np.int64))
    grid = grid[np.unique(np.linspace(0, len(grid) - 1, _POINTS).astype(np.int64))]
    inside = runs[runs["task"].isin(group.tasks)]
    for (label, fraction), part in inside.groupby(["line", "fraction"], sort=False):
        steps = _matrix(draws, str(label), part)
        own, resamples = draws.own(str(label), -steps)
        found = interval(
            lambda scores: aggregate.performance_profile(scores, -(grid + 0.5)),
            (own, resamples),
            level=draws.level,
        )
        rows += [
            {
                "line": label,
                "group": group.name,
                "fraction": fraction,
                "env_step": int(step),
                **dict(zip(_NUMBERS, numbers, strict=True)),
                "tasks": own.shape[-1],
                "of_tasks": inside["task"].nunique(),
                "runs": len(part),
            }
            for step, *numbers in zip(grid, found.point, found.low, found.high, strict=True)
        ]
    return pd.DataFrame(rows, columns=[*_EFFICIENCY_COLUMNS])


def _matrix(draws: Draws, label: str, part: pd.DataFrame) -> Floats:
    """Steps at which runs reached a target, shape (runs, tasks); never is far beyond all."""
    never = float(np.finfo(np.float64).max)
    places = {task: place for place, task in enumerate(draws.tasks)}
    steps = np.full(draws.resamples[label].uniforms.shape[1:], np.nan)
    row = part.groupby("task").cumcount()
    column = part["task"].map(places)
    steps[row, column] = part["env_step"].fillna(never)
    return steps


def planning(draws: Draws) -> pd.DataFrame:
    """Planner and policy of every line that plans, per task and step: mean scores over seeds."""
    parts = [_planned(line) for line in draws.lines]
    found = [part for part in parts if part is not None]
    columns = ["line", "task", "env_step", "seeds", "planner", "policy", "gap"]
    return (pd.concat(found, ignore_index=True) if found else pd.DataFrame()).reindex(
        columns=columns
    )


def _planned(line: Line) -> pd.DataFrame | None:
    rows = line.table[line.table["mode"].isin(["plan", "mean"])]
    if set(rows["mode"]) != {"plan", "mean"}:
        return None
    scores = rows.pivot_table("score", ["task", "seed", "env_step"], "mode", dropna=True).dropna()
    scores = scores.rename(columns={"plan": "planner", "mean": "policy"}).reset_index()
    if scores.empty:
        return None
    grouped = scores.groupby(["task", "env_step"], sort=True)
    found = grouped[["planner", "policy"]].mean()
    found["seeds"] = grouped["seed"].nunique()
    found["gap"] = found["planner"] - found["policy"]
    return found.reset_index().assign(line=line.label)


def unit(metric: str) -> str:
    """What a task's values are called on an axis or in a table."""
    units: Mapping[str, str] = {"return": "return", "success": "success rate"}
    return units.get(metric, metric)
