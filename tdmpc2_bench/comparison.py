"""Do lines score alike? A verdict per task and per group of tasks, and where every line stands.

A single task with few seeds gets a description only: is the mean within the range of the
reference's seeds? Many tasks together carry an equivalence test.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench import groups, lines, seeding, sources
from tdmpc2_bench.analysis import aggregate, bootstrap, equivalence, power, significance
from tdmpc2_bench.analysis.aggregate import Scores
from tdmpc2_bench.analysis.coverage import Coverage
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.groups import Group
from tdmpc2_bench.lines import Line

_TRIALS = 400  # of the A/A control
WIDENED = 0.05  # score by which the reference's range is widened on either side
TaskVerdict = Literal["inside", "below", "above", "no common point"]
VERDICTS = (
    "match", "better", "worse", "inconclusive", "not enough",
    "inside", "above", "below", "no common point",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How the numbers of a comparison are reached; all of it is told beside them."""

    last: int = 1  # evaluations that a score is the mean of
    margin: float = equivalence.MARGIN  # in score, within which lines are the same
    reps: int = bootstrap.REPS
    level: float = bootstrap.LEVEL
    seed: int = 1  # of resamples and relabellings

    def describe(self) -> str:
        """Tell it in words."""
        of = "the last evaluation" if self.last == 1 else f"the mean of the last {self.last}"
        return (
            f"Scores: {of} at the last environment step that lines have in common, task by task; "
            f"published ones are those recorded nearest, within 100,000 steps. Intervals of lines: "
            f"{self.level:.0%}, stratified bootstrap over seeds, {self.reps} resamples, seed "
            f"{self.seed}. Differences: 90% limits of a stratified t interval; a match has its "
            f"limits within {self.margin:g} of a score. A/A: {_TRIALS} trials. Tasks: the "
            f"range of the reference's seeds, widened by {WIDENED:g}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task: a description, and with 5 seeds on both sides a test."""

    task: str
    suite: str
    env_step: int | None  # None: no common point
    score: float  # mean over seeds
    low: float  # lowest of the reference's seeds, not widened
    high: float
    seeds: int
    reference_seeds: int
    verdict: TaskVerdict
    p: float | None  # permutation test, Holm over tasks; None with fewer than 5 seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupComparison:
    """A group of tasks, taken together."""

    group: str
    verdict: equivalence.Verdict
    difference: float  # of mean scores, line less reference
    low: float  # 90 % limits of the difference: inside the margin they make a match
    high: float
    p: float | None  # of the t test behind better and worse; None where there is nothing to test
    p_permutation: float | None  # of the stratified permutation test, which assumes less
    improvement: float | None  # probability that a run beats one of the reference
    tasks: int  # compared
    left_out: int  # tasks of the group that one side lacks or has fewer than 2 seeds of
    seeds: int  # the fewest of a task compared, on either side
    control: float | None  # how often the test finds a difference between the reference and itself
    seeds_needed: int | None  # where inconclusive: to find one as large as the margin, power 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A line beside what it is compared with."""

    line: str
    reference: str
    tasks: tuple[TaskComparison, ...]
    groups: tuple[GroupComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A line's scores in a group, over the tasks that all lines of the table have."""

    group: str
    line: str
    values: Mapping[str, tuple[float, float, float]]  # statistic -> value, low, high; NaN: 1 seed
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `compare` finds."""

    method: Method
    standings: tuple[Standing, ...]  # group by group, best first
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...]

    def verdicts(self) -> Iterator[tuple[str, str, str]]:
        """All verdicts with the line and the group or task that they are about."""
        for pair in self.pairs:
            yield from ((pair.line, group.group, group.verdict) for group in pair.groups)
            yield from ((pair.line, task.task, task.verdict) for task in pair.tasks)


def compare(
    names: Sequence[str], *, published: bool = False, method: Method | None = None
) -> Comparison:
    """Compare sources.

    Args:
        names: as `sources.load` takes them. Lines of the last are what the others are compared
            with: each with the one of its agent and variant, or of its agent, or the only one. The
            lines of a single source are compared with its first.
        published: compare every line with the published one of its agent.
        method: how; the defaults if not given.

    Raises:
        UsageError: a source cannot be read, or there is nothing to compare with.
    """
    method = method or Method()
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        msg = f"{repeated[0]} is named twice: name every source once"
        raise UsageError(msg)
    read = [sources.load(name) for name in names]
    if published:
        read.append(sources.published_beside(read))
    found, warnings = lines.of(read)
    if method.last > 1 and any(line.bands is not None for line in found):
        msg = f"last={method.last}: published results have single records only, leave it at 1"
        raise UsageError(msg)
    pairs, unpaired = pair_up(found, method, only_same_agent=published)
    stand = tuple(standings(found, method))
    warnings += [] if stand else ["there is no task that all lines have: nothing to rank"]
    return Comparison(method=method, standings=stand, pairs=pairs, warnings=(*warnings, *unpaired))


def pair_up(
    found: Sequence[Line], method: Method, *, only_same_agent: bool
) -> tuple[tuple[Pair, ...], list[str]]:
    """Compare lines with those of the last source, or those of a single source with its first.

    Args:
        found: lines, source by source.
        method: how.
        only_same_agent: do not compare a line with one of another agent.

    Returns:
        The pairs, and what is to be said of lines that there is nothing to compare with.
    """
    pairs, unpaired = [], []
    for line, reference in _pairs(found, only_same_agent=only_same_agent):
        if reference is None:
            unpaired.append(f"{line.label}: there is nothing to compare it with")
        else:
            pairs.append(compare_pair(line, reference, method))
    return tuple(pairs), unpaired


def _pairs(found: Sequence[Line], *, only_same_agent: bool) -> Iterator[tuple[Line, Line | None]]:
    """Every line but those compared with, and its reference."""
    if len({line.source for line in found}) == 1:
        for place, line in enumerate(found):
            before = [
                one for one in found[:place] if one.agent == line.agent or not only_same_agent
            ]
            yield from ((line, one) for one in before[:1])
        return
    references = [line for line in found if line.source == found[-1].source]
    for line in found:
        if line.source != found[-1].source:
            yield line, _reference(line, references, only_same_agent=only_same_agent)


def _reference(line: Line, references: Sequence[Line], *, only_same_agent: bool) -> Line | None:
    same = [one for one in references if one.agent == line.agent]
    alike = [one for one in same if one.variant == line.variant]
    if alike or same:
        return (alike or same)[0]
    return references[0] if len(references) == 1 and not only_same_agent else None


def standings(found: Sequence[Line], method: Method) -> Iterator[Standing]:
    """Where lines stand in every group that they share tasks of, best first."""
    common = {task: lines.common_step(found, task) for line in found for task in line.tasks}
    shared = {task: [step] for task, step in common.items() if step is not None}
    for group in groups.of(shared):
        steps = {task: shared[task] for task in group.tasks}
        rows = [_standing(line, group, steps, method) for line in found]
        yield from sorted(rows, key=lambda row: -row.values["iqm"][0])


def _standing(
    line: Line, group: Group, steps: Mapping[str, Sequence[int]], method: Method
) -> Standing:
    (scores,) = line.scores(steps, last=method.last)
    rng = seeding.stream(method.seed, "standing", line.label, group.name)
    draws = bootstrap.Resamples.draw(
        rng, runs=scores.shape[0], tasks=scores.shape[1], seed=method.seed, reps=method.reps
    )
    coverage = line.coverage([*steps], scores)
    values = {}
    for name, statistic in aggregate.STATISTICS.items():
        found = bootstrap.interval(statistic, (scores, draws), level=method.level)
        limits = (found.low, found.high) if coverage.seeds_max > 1 else (math.nan, math.nan)
        values[name] = (float(found.point), float(limits[0]), float(limits[1]))
    return Standing(group=group.name, line=line.label, values=values, coverage=coverage)


def compare_pair(line: Line, reference: Line, method: Method) -> Pair:
    """One line beside another, on the tasks that both have."""
    both = [task for task in line.tasks if task in reference.curves]
    of_tasks = [_task(line, reference, task, method) for task in both]
    marked = _p_values(line, reference, of_tasks, method)
    return Pair(
        line=line.label,
        reference=reference.label,
        tasks=tuple(replace(one, p=marked.get(one.task)) for one in of_tasks),
        groups=tuple(_group(line, reference, group, method) for group in groups.of(both)),
    )


def _task(line: Line, reference: Line, task: str, method: Method) -> TaskComparison:
    step = _described_step(line, reference, task)
    low = high = score = math.nan
    seeds = reference_seeds = 0
    if step is not None:
        scores = _finite(line.scores({task: [step]}, last=method.last))
        score, seeds = float(scores.mean()), len(scores)
        low, high, reference_seeds = _range(reference, task, step, method)
    return TaskComparison(
        task=task,
        suite=str(line.table.loc[line.table["task"] == task, "suite"].iloc[0]),
        env_step=step,
        score=score,
        low=low,
        high=high,
        seeds=seeds,
        reference_seeds=reference_seeds,
        verdict=_described(score, low, high),
        p=None,
    )


def _described_step(line: Line, reference: Line, task: str) -> int | None:
    """The last environment step, past the beginning, at which both can be described."""
    if reference.bands is None:
        step = lines.common_step([line, reference], task)
        return step or None
    of_task = reference.bands["task"] == task
    known = [reference.bands.loc[of_task, "env_step"].to_numpy(np.int64)]
    known += [curve.steps for curve in reference.curves[task]]
    steps = np.unique(np.concatenate(known))
    curves = line.curves[task]
    has = np.sum([np.isfinite(curve.at(steps)) for curve in curves], axis=0) > len(curves) // 2
    common = steps[has & (steps > 0)]
    return int(common[-1]) if len(common) else None


def _range(reference: Line, task: str, step: int, method: Method) -> tuple[float, float, int]:
    """Lowest and highest score of the reference's seeds, and how many they are.

    Of published results more steps are known as ranges than by seed; where both are, the seeds
    count, since a seed's last record answers for a step that it did not quite reach.
    """
    scores = _finite(reference.scores({task: [step]}, last=method.last))
    low, high, seeds = -math.inf, math.inf, 0
    if reference.bands is not None:
        bands = reference.bands
        there = bands[(bands["task"] == task) & (bands["env_step"] == step)]
        for row in there[["min_score", "max_score", "n_seeds"]].to_numpy(np.float64):
            low, high, seeds = float(row[0]), float(row[1]), int(row[2])
    if len(scores) >= seeds:
        return float(scores.min()), float(scores.max()), len(scores)
    return low, high, seeds


def _described(score: float, low: float, high: float) -> TaskVerdict:
    if math.isnan(score):
        return "no common point"
    if score < low - WIDENED:
        return "below"
    return "above" if score > high + WIDENED else "inside"


def _p_values(
    line: Line, reference: Line, of_tasks: Sequence[TaskComparison], method: Method
) -> dict[str, float]:
    """Of the tasks with enough seeds on both sides, adjusted over these."""
    fewest = significance.FEWEST_SEEDS_PER_TASK
    if reference.bands is not None:
        return {}  # described at steps that single seeds are not known of
    steps = {
        one.task: [one.env_step]
        for one in of_tasks
        if one.env_step is not None and min(one.seeds, one.reference_seeds) >= fewest
    }
    if not steps:
        return {}
    x, y = (one.scores(steps, last=method.last)[0] for one in (line, reference))
    rng = seeding.stream(method.seed, "relabelling", line.label, reference.label)
    found = significance.compare_each_task(x, y, rng)
    return {task: one.p_adjusted for task, one in zip(steps, found, strict=True)}


def _group(line: Line, reference: Line, group: Group, method: Method) -> GroupComparison:
    common = {task: lines.common_step([line, reference], task) for task in group.tasks}
    steps = {task: [step] for task, step in common.items() if step}
    x, y = (_at(one, steps, method) for one in (line, reference))
    enough = np.minimum(_seeds(x), _seeds(y)) >= equivalence.FEWEST_SEEDS
    x, y = x[:, enough], y[:, enough]
    found = equivalence.equivalence(x, y, margin=method.margin)
    names = ("p", "p_permutation", "improvement", "control", "seeds_needed")
    tests: dict[str, Any] = dict.fromkeys(names)
    if found.verdict != "not enough":
        rng = seeding.stream(method.seed, "relabelling", line.label, reference.label, group.name)
        tested = significance.compare(x, y, rng)
        open_ = found.verdict == "inconclusive"
        tests = {
            "p": found.p_difference,
            "p_permutation": tested.p,
            "improvement": tested.improvement,
            "control": significance.aa_control(y, _p_difference, rng, trials=_TRIALS).rate,
            "seeds_needed": _seeds_needed(x, y, method.margin) if open_ else None,
        }
    return GroupComparison(
        group=group.name,
        verdict=found.verdict,
        difference=found.difference,
        low=found.low,
        high=found.high,
        tasks=found.tasks,
        left_out=len(group.tasks) - found.tasks,
        seeds=found.seeds,
        **tests,
    )


def _at(line: Line, steps: Mapping[str, Sequence[int]], method: Method) -> Scores:
    """Scores at one step of each task, shape (runs, tasks); there may be no task."""
    return line.scores(steps, last=method.last)[0] if steps else np.empty((1, 0))


def _p_difference(x: Scores, y: Scores) -> float:
    """The test behind `better` and `worse`."""
    return float(equivalence.stratified_difference(x, y).p_zero())


def _seeds_needed(x: Scores, y: Scores, difference: float) -> int | None:
    """How many seeds would show a difference, if seeds spread as those of both sides do."""
    spread = np.sqrt((power.seed_spread(x) ** 2 + power.seed_spread(y) ** 2) / 2)
    try:
        return power.seeds_needed(spread, difference)
    except ValueError:  # more than anyone trains
        return None


def _seeds(scores: Scores) -> NDArray[np.int64]:
    """How many runs every task has, shape (tasks,); there may be no task."""
    return np.asarray(np.isfinite(scores).sum(axis=0))


def _finite(scores: Scores) -> Scores:
    return scores[np.isfinite(scores)]
