"""What lines come to over groups of tasks, each number with its interval and what it rests on.

One bootstrap: the seeds of every line are drawn once (`draws`), and every number of a report uses
those draws, so that a curve, its end and its area agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tdmpc2_bench.analysis import aggregate
from tdmpc2_bench.analysis.align import Steps
from tdmpc2_bench.analysis.bootstrap import Interval, Resamples, interval
from tdmpc2_bench.groups import Group
from tdmpc2_bench.lines import Line
from tdmpc2_bench.reports import budgets
from tdmpc2_bench.reports.budgets import COMMON, STEPS, Budget, Floats

STATISTICS = tuple(aggregate.STATISTICS)  # of the scores at a budget
CURVES = ("iqm", "mean")  # those that are followed along training
THRESHOLDS = np.linspace(0.0, 1.0, 51)  # of performance profiles, in score
_POINTS = 41  # of a curve over a group, at most
_PLACE = ("line", "group")
_NUMBERS = ("value", "low", "high")
_COVERAGE = ("tasks", "of_tasks", "runs", "missing", "diverged", "seeds_min", "seeds_max")
SUMMARY = (*_PLACE, "budget", "statistic", *_NUMBERS, *_COVERAGE)
_CURVE_COLUMNS = (*_PLACE, "statistic", "env_step", *_NUMBERS, "tasks", "of_tasks", "runs")
_PROFILE_COLUMNS = (*_PLACE, "score", *_NUMBERS, "tasks", "of_tasks", "runs")
_IMPROVEMENT_COLUMNS = ("group", "line", "other", *_NUMBERS, "tasks", "runs", "other_runs")


@dataclass(frozen=True)
class Draws:
    """The resamples of all lines, and what they are taken of."""

    lines: Sequence[Line]
    tasks: tuple[str, ...]  # of all lines, in the benchmark's order
    groups: Sequence[Group]
    budgets: Sequence[Budget]
    resamples: Mapping[str, Resamples]  # by label, for all of `tasks`
    level: float

    @classmethod
    def draw(  # noqa: PLR0913 - what a bootstrap is made of
        cls,
        lines: Sequence[Line],
        tasks: tuple[str, ...],
        groups: Sequence[Group],
        *,
        seed: int,
        reps: int,
        level: float,
    ) -> Draws:
        """Draw the seeds of every line, independently of the other lines."""
        streams = np.random.default_rng(seed).spawn(len(lines))
        drawn = {
            line.label: Resamples.draw(
                rng, runs=max(line.seeds, 1), tasks=len(tasks), seed=seed, reps=reps
            )
            for line, rng in zip(lines, streams, strict=True)
        }
        return cls(lines, tasks, groups, budgets.of(lines, tasks), drawn, level)

    @cached_property
    def scores(self) -> Mapping[tuple[str, str], Floats]:
        """Scores by budget and line, shape (runs, tasks)."""
        return {
            (budget.name, line.label): budgets.at(line, self.tasks, budget)
            for budget in self.budgets
            for line in self.lines
        }

    @cached_property
    def main(self) -> Group | None:
        """The group that stands for all: all tasks, or the only suite's; None without any score."""
        scored = [group for group in self.groups if self.columns(group, COMMON).any()]
        return max(scored, key=lambda group: len(group.tasks)) if scored else None

    @property
    def suites(self) -> list[Group]:
        """Groups without those that are only a part of a suite."""
        names = {group.name for group in self.groups}
        return [group for group in self.groups if group.name.partition("-")[0] not in
                names - {group.name}]  # fmt: skip

    def columns(self, group: Group, budget: str) -> NDArray[np.bool_]:
        """Which of `tasks` are in a group and have a score of any line at a budget."""
        inside = np.isin(self.tasks, group.tasks)
        arrays = [self.scores[budget, line.label] for line in self.lines]
        known: NDArray[np.bool_] = np.any([np.isfinite(one).any(axis=0) for one in arrays], axis=0)
        return inside & known

    def own(self, label: str, scores: Floats) -> tuple[Floats, Resamples]:
        """Scores of shape (..., runs, tasks) of a line without the tasks it lacks, and its draws.

        A task it lacks at any of the leading places is left out.
        """
        known = np.isfinite(scores).any(axis=-2).reshape(-1, scores.shape[-1]).all(axis=0)
        return scores[..., known], self.resamples[label].of_tasks(known)


def summary(draws: Draws) -> pd.DataFrame:
    """Every line, group, budget and statistic; columns `SUMMARY`.

    ``tasks`` of the ``of_tasks`` that any line has a score of at that budget; ``missing``: runs
    that the line would have besides if it had all its seeds on all of those.
    """
    rows = [row for group in draws.groups for row in _summary(draws, group)]
    rows += [row for group in draws.groups for row in _areas(draws, group)]
    return pd.DataFrame(rows, columns=[*SUMMARY])


def _summary(draws: Draws, group: Group) -> Iterator[dict[str, Any]]:
    for budget in draws.budgets:
        due = draws.columns(group, budget.name)
        for line in draws.lines:
            scores = np.where(due, draws.scores[budget.name, line.label], np.nan)
            if not np.isfinite(scores).any():
                continue
            found = interval(_statistics, draws.own(line.label, scores), level=draws.level)
            cover = coverage(draws, line, scores[:, due], due)
            for place, statistic in enumerate(STATISTICS):
                yield {
                    "line": line.label,
                    "group": group.name,
                    "budget": budget.name,
                    "statistic": statistic,
                    **_numbers(found, place),
                    **cover,
                }


def coverage(draws: Draws, line: Line, scores: Floats, due: NDArray[np.bool_]) -> dict[str, int]:
    """What a line's number over some tasks rests on; the coverage columns of `SUMMARY`."""
    tasks = [task for task, wanted in zip(draws.tasks, due, strict=True) if wanted]
    found = line.coverage(tasks, scores)
    values = (
        found.tasks, found.tasks_planned, found.runs, found.missing, found.diverged,
        found.seeds_min, found.seeds_max,
    )  # fmt: skip
    return dict(zip(_COVERAGE, values, strict=True))


def _statistics(scores: Floats) -> Floats:
    """All of `STATISTICS`, on a last axis."""
    return np.stack([aggregate.STATISTICS[name](scores) for name in STATISTICS], axis=-1)


def _areas(draws: Draws, group: Group) -> Iterator[dict[str, Any]]:
    """Mean area under the curve, over the steps that the curves of all lines have in common."""
    parts = [
        (line, *_on_grid(line, group, _shared_grid(draws.lines, group))) for line in draws.lines
    ]
    parts = [part for part in parts if len(part[1]) > 1]
    if not parts:
        return
    last = min(int(steps[-1]) for _, steps, _ in parts)
    due = np.isin(draws.tasks, group.tasks)
    for line, steps, curves in parts:
        reached = steps <= last
        if reached.sum() < 2:  # noqa: PLR2004 - an area needs two steps
            continue
        areas = np.full((max(line.seeds, 1), len(draws.tasks)), np.nan)
        areas[:, due] = aggregate.area_under_curve(steps[reached], curves[reached])
        if not np.isfinite(areas).any():
            continue
        found = interval(aggregate.mean, draws.own(line.label, areas), level=draws.level)
        yield {
            "line": line.label,
            "group": group.name,
            "budget": f"{_short(int(steps[0]))} to {_short(last)}",
            "statistic": "auc",
            **_numbers(found),
            **coverage(draws, line, areas[:, due], due),
        }


def curves(draws: Draws) -> pd.DataFrame:
    """IQM and mean over groups along training, as far as every task of the line has got."""
    rows: list[dict[str, Any]] = []
    for group in draws.groups:
        due = np.isin(draws.tasks, group.tasks)
        for line in draws.lines:
            steps, scores = _on_grid(line, group, _grid(line, group))
            if not len(steps):
                continue
            placed = np.full((len(steps), scores.shape[1], len(draws.tasks)), np.nan)
            placed[..., due] = scores
            own, resamples = draws.own(line.label, placed)
            found = interval(_followed, (own, resamples), level=draws.level)
            for place, statistic in enumerate(CURVES):
                rows += [
                    {
                        "line": line.label,
                        "group": group.name,
                        "statistic": statistic,
                        "env_step": int(step),
                        **_numbers(found, number, place),
                        "tasks": own.shape[-1],
                        "of_tasks": int(due.sum()),
                        "runs": int(np.isfinite(own[number]).sum()),
                    }
                    for number, step in enumerate(steps)
                ]
    return pd.DataFrame(rows, columns=[*_CURVE_COLUMNS])


def _followed(scores: Floats) -> Floats:
    return np.stack([aggregate.STATISTICS[name](scores) for name in CURVES], axis=-1)


def _grid(line: Line, group: Group) -> Steps:
    """Environment steps to follow a line along: evaluations of its slowest task, a limited number.

    A published line has evaluations at the fixed budgets only.
    """
    if line.bands is not None:
        return np.array([*STEPS.values()])
    found = [curve for task in group.tasks for curve in line.curves.get(task, ())]
    every = max((curve.interval for curve in found), default=0)
    last = min((line.last_step(task) for task in group.tasks if task in line.curves), default=0)
    if every == 0:
        return np.array([last] if found else [], dtype=np.int64)
    count = last // every
    return every * np.unique(np.linspace(0, count, min(_POINTS, count + 1)).astype(np.int64))


def _shared_grid(lines: Sequence[Line], group: Group) -> Steps:
    """The coarsest of the grids of all lines, as far as the shortest."""
    if any(line.bands is not None for line in lines):
        return np.array([*STEPS.values()])
    grids = [grid for grid in (_grid(line, group) for line in lines) if len(grid) > 1]
    last = min((int(grid[-1]) for grid in grids), default=0)
    inside = [grid[grid <= last] for grid in grids]
    return min(inside, key=len, default=np.array([], dtype=np.int64))


def _on_grid(line: Line, group: Group, grid: Steps) -> tuple[Steps, Floats]:
    """A line's scores at the steps of a grid at which all its tasks of a group have one.

    Returns:
        Steps, and scores of shape (steps, runs, tasks of the group).
    """
    scores = line.scores({task: [*grid] for task in group.tasks})
    known = np.any(np.isfinite(scores), axis=1)  # (steps, tasks)
    having = np.any(known, axis=0)
    complete = np.all(known[:, having], axis=1) & having.any()
    return grid[complete], scores[complete]


def profiles(draws: Draws) -> pd.DataFrame:
    """Share of runs above each score, at the common step; suites and all."""
    rows: list[dict[str, Any]] = []
    for group in draws.suites:
        due = draws.columns(group, COMMON)
        for line in draws.lines:
            scores = np.where(due, draws.scores[COMMON, line.label], np.nan)
            if not np.isfinite(scores).any():
                continue
            own = draws.own(line.label, scores)
            found = interval(_profile, own, level=draws.level)
            rows += [
                {
                    "line": line.label,
                    "group": group.name,
                    "score": threshold,
                    **_numbers(found, place),
                    "tasks": own[0].shape[-1],
                    "of_tasks": int(due.sum()),
                    "runs": int(np.isfinite(own[0]).sum()),
                }
                for place, threshold in enumerate(THRESHOLDS.round(2))
            ]
    return pd.DataFrame(rows, columns=[*_PROFILE_COLUMNS])


def _profile(scores: Floats) -> Floats:
    return aggregate.performance_profile(scores, THRESHOLDS)


def improvement(draws: Draws) -> pd.DataFrame:
    """How likely a line beats another on a task drawn at random, on the tasks that both have."""
    rows: list[dict[str, Any]] = []
    for group in draws.groups:
        due = draws.columns(group, COMMON)
        for x, y in combinations(draws.lines, 2):
            pair = [draws.scores[COMMON, one.label] for one in (x, y)]
            both = due & np.all([np.isfinite(one).any(axis=0) for one in pair], axis=0)
            if not both.any():
                continue
            samples = [
                (scores[:, both], draws.resamples[one.label].of_tasks(both))
                for one, scores in zip((x, y), pair, strict=True)
            ]
            found = interval(aggregate.probability_of_improvement, *samples, level=draws.level)
            rows.append(
                {
                    "group": group.name,
                    "line": x.label,
                    "other": y.label,
                    **_numbers(found),
                    "tasks": int(both.sum()),
                    "runs": int(np.isfinite(samples[0][0]).sum()),
                    "other_runs": int(np.isfinite(samples[1][0]).sum()),
                }
            )
    return pd.DataFrame(rows, columns=[*_IMPROVEMENT_COLUMNS])


def _numbers(found: Interval, *place: int) -> dict[str, float]:
    arrays = (found.point, found.low, found.high)
    return {name: float(array[place]) for name, array in zip(_NUMBERS, arrays, strict=True)}


def _short(step: int) -> str:
    """A number of steps as people write it: 100k, 2M."""
    if step % 1_000_000 == 0 and step:
        return f"{step // 1_000_000}M"
    return f"{step // 1_000}k" if step % 1_000 == 0 and step else str(step)
