"""Lines to compare: what of the long table may be averaged over seeds, on common steps.

A line is an agent and variant of one source, of one revision and under one protocol per task.
Where a task has results under several protocols, the further ones make lines of their own, and it
is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.analysis.align import Steps, final_score, on_grid
from tdmpc2_bench.analysis.coverage import Coverage
from tdmpc2_bench.sources import PUBLISHED, Source

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_IDENTITY = ("source", "agent", "variant", "revision", "protocol")


@dataclass(frozen=True)
class Curve:
    """One seed's evaluations of one task, by increasing environment step; values are finite."""

    task: str
    seed: int
    steps: Steps
    scores: Floats  # normalised; NaN where the task has no known maximum
    values: Floats  # of the task's metric, raw
    interval: int  # environment steps between evaluations: how long a value may be carried
    diverged: bool  # then its last value stands for all that would have followed
    end: int | None  # the last step that the line was evaluated at here; None: all seeds diverged

    def at(self, steps: Steps, *, last: int = 1) -> Floats:
        """Scores at some environment steps; NaN where none stands for one.

        An evaluation stands for the steps from its own on until one interval later, or the next
        evaluation; that before a divergence for all later ones. So a seed that ended an interval
        before the others of its line counts with them; but nothing stands for a step beyond the
        last one that any of them was evaluated at.

        Args:
            steps: shape (n,).
            last: of how many evaluations, up to and with the one that stands, the mean is taken.
        """
        means = self.scores
        if last > 1:
            ends = range(1, len(means) + 1)
            means = np.array([final_score(self.scores[:end], last) for end in ends])
        found = on_grid(self.steps, means, steps, self.interval)
        if self.diverged:
            found[steps > self.steps[-1]] = means[-1]
        if self.end is not None:
            found[steps > self.end] = np.nan
        return found


@dataclass(frozen=True)
class Line:
    """What is compared."""

    label: str  # unique among the lines compared
    source: str
    agent: str
    variant: str
    revision: int
    protocol: int  # 0; or the number of a further protocol that some tasks were played under
    curves: Mapping[str, tuple[Curve, ...]]  # by task, in the headline mode, one per seed
    table: pd.DataFrame = field(repr=False)  # its rows of the long table, of every mode
    bands: pd.DataFrame | None = field(default=None, repr=False)  # see `Source.bands`

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that there are results of."""
        return tuple(self.curves)

    @cached_property
    def seeds(self) -> int:
        """The largest number of seeds that any task has."""
        return max((len(curves) for curves in self.curves.values()), default=0)

    def last_step(self, task: str) -> int:
        """The last environment step that any seed of a task was evaluated at."""
        return max(int(curve.steps[-1]) for curve in self.curves[task])

    def scores(self, steps: Mapping[str, Sequence[int]], *, last: int = 1) -> Floats:
        """Normalised scores at given steps.

        Args:
            steps: by task, in the wanted order, the environment steps wanted: as many for each.
            last: of how many evaluations the mean is taken, see `Curve.at`.

        Returns:
            Shape (steps, runs, tasks). NaN: there is no such run, or it was not evaluated then.
        """
        count = max((len(wanted) for wanted in steps.values()), default=0)
        found = np.full((count, max(self.seeds, 1), len(steps)), np.nan)
        for column, (task, wanted) in enumerate(steps.items()):
            grid = np.asarray(wanted, dtype=np.int64)
            for row, curve in enumerate(self.curves.get(task, ())):
                found[:, row, column] = curve.at(grid, last=last)
        return found

    def coverage(self, tasks: Sequence[str], scores: Floats) -> Coverage:
        """What a number rests on that was made from ``scores``, shape (runs, tasks).

        Every task is expected to have as many seeds as the one that has the most.
        """
        diverged = np.zeros(scores.shape, np.bool_)
        for column, task in enumerate(tasks):
            for row, curve in enumerate(self.curves.get(task, ())):
                diverged[row, column] = curve.diverged
        return Coverage.of(scores, diverged=diverged)


def common_step(lines: Sequence[Line], task: str) -> int | None:
    """The last environment step at which all of ``lines`` have a score on a task, if there is one.

    A line has one where more than half of its seeds have; a step is one that some seed was
    evaluated at. So neither a seed that stopped early nor one that went on alone decides.
    """
    of_lines = [line.curves.get(task, ()) for line in lines]
    evaluated = [curve.steps for curves in of_lines for curve in curves]
    if not evaluated or not all(of_lines):
        return None
    steps = np.unique(np.concatenate(evaluated))
    for curves in of_lines:
        scored = np.sum([np.isfinite(curve.at(steps)) for curve in curves], axis=0)
        steps = steps[scored > len(curves) // 2]
    return int(steps[-1]) if len(steps) else None


def of(sources: Sequence[Source]) -> tuple[list[Line], list[str]]:
    """The lines of some sources, and what a reader must be told about them."""
    warnings = [
        f"{source.name}: left out: {text}" for source in sources for text in source.problems
    ]
    parts = []
    for source in sources:
        for identity, table in _parts(source):
            parts.append((identity, table, source))
            warnings += _warnings(identity, table)
    labels = _labels([(identity, source.place) for identity, _, source in parts])
    lines = []
    for label, (identity, table, source) in zip(labels, parts, strict=True):
        curves = _curves(table, source.intervals)
        if not curves:
            warnings.append(f"{label}: no finite evaluation")
            continue
        bands = source.bands
        if bands is not None:
            bands = bands[bands["agent"] == identity["agent"]]
        lines.append(Line(label=label, **identity, curves=curves, table=table, bands=bands))
    return lines, warnings


def _parts(source: Source) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Rows of a source that belong together, with what they have in common."""
    for key, table in source.table.groupby(["agent", "variant", "revision"], sort=True):
        number = _protocol_numbers(table)
        for protocol, rows in table.groupby(number, sort=True):
            values = (source.name, *key, protocol)
            yield dict(zip(_IDENTITY, values, strict=True)), rows


def _protocol_numbers(table: pd.DataFrame) -> pd.Series:
    """Per row: 0 for the protocol that most seeds of its task were trained under, 1 the next ..."""
    cells = table[["task", "fingerprint", "seed"]].drop_duplicates()
    counts = cells.groupby(["task", "fingerprint"]).size().reset_index(name="seeds")
    counts = counts.sort_values(["task", "seeds", "fingerprint"], ascending=[True, False, True])
    counts["protocol"] = counts.groupby("task").cumcount()
    number = counts.set_index(["task", "fingerprint"])["protocol"]
    keys = list(zip(table["task"], table["fingerprint"], strict=True))
    return number.loc[keys].set_axis(table.index)


def _warnings(identity: Mapping[str, Any], table: pd.DataFrame) -> Iterator[str]:
    name = f"{identity['source']}: {identity['agent']} {identity['variant']}"
    cells = table.drop_duplicates(["task", "seed"])
    if identity["protocol"]:
        tasks = ", ".join(sorted(cells["task"].unique()))
        yield f"{name}: results under another protocol are a line of their own: {tasks}"
    diverged = cells.loc[cells["status"] == "diverged", "task"]
    if len(diverged):
        yield f"{name}: {len(diverged)} diverged, the last evaluation counts: {_counted(diverged)}"
    for mark, marked in cells[cells["marks"] != ""].groupby("marks"):
        yield f"{name}: marked {mark}: {_counted(marked['task'])}"


def _counted(tasks: pd.Series) -> str:
    counts = Counter(tasks)
    return ", ".join(
        task if n == 1 else f"{task} ({n} seeds)" for task, n in sorted(counts.items())
    )


def _labels(parts: Sequence[tuple[Mapping[str, Any], str]]) -> list[str]:
    """The shortest names that tell lines apart, always by agent and, unless default, variant."""
    several = len({one["source"] for one, _ in parts}) > 1
    labels = []
    for one, place in parts:
        label = str(one["agent"])
        if one["variant"] not in {"default", ""}:
            label += f" {one['variant']}"
        if several or place == PUBLISHED:
            label += f" ({place})"
        labels.append(label)
    repeated = Counter(labels)
    return [
        f"{label} [{_conditions(one)}]" if repeated[label] > 1 else label
        for label, (one, _) in zip(labels, parts, strict=True)
    ]


def _conditions(identity: Mapping[str, Any]) -> str:
    number = identity["protocol"]
    further = f", protocol {number + 1}" if number else ""
    return f"revision {identity['revision']}{further}"


def _curves(table: pd.DataFrame, intervals: Mapping[str, int]) -> dict[str, tuple[Curve, ...]]:
    rows = table[table["headline"] & np.isfinite(table["value"])]
    rows = rows.sort_values(["task", "seed", "env_step"], kind="stable")
    found: dict[str, list[Curve]] = {}
    keys = list(zip(rows["task"], rows["seed"], strict=True))
    cuts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    columns = {name: rows[name].to_numpy() for name in ("env_step", "score", "value", "status")}
    for start, stop in zip(cuts, [*cuts[1:], len(keys)], strict=True):
        task, seed = keys[start]
        steps, scores, values, status = (column[start:stop] for column in columns.values())
        gaps = np.diff(steps)
        interval = intervals.get(task, int(np.median(gaps)) if len(gaps) else 0)
        diverged = status[-1] == "diverged"
        curve = Curve(task, int(seed), steps, scores, values, interval, bool(diverged), None)
        found.setdefault(task, []).append(curve)
    return {task: _ended(curves) for task, curves in found.items()}


def _ended(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    """The seeds of a task, each knowing how far the line has got with it."""
    end = max((int(one.steps[-1]) for one in curves if not one.diverged), default=None)
    return tuple(replace(one, end=end) for one in curves)
