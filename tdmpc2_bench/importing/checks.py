"""Whether curves are what they should be: one value per step, no gaps, the same ends, one unit.

Only duplicates are resolved, in the way that was asked for; all else is told and stays as it is.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tdmpc2_bench import registry
from tdmpc2_bench.importing.description import Duplicates
from tdmpc2_bench.importing.findings import Findings
from tdmpc2_bench.importing.records import Curve, Record

AVERAGED = "averaged"  # mark of a value that is the mean of duplicates
_LARGE = 100  # a return's maximum from which returns of at most 1 are suspicious
_GAP = 1.5  # usual intervals; a longer one is a gap
_NAMED = 3  # examples in a message
_KEPT: Mapping[Duplicates, str] = {
    "mean": "their mean is kept, marked averaged",
    "first": "the first is kept",
    "last": "the last is kept",
}


def check(records: Sequence[Record], duplicates: Duplicates, findings: Findings) -> list[Record]:
    """Take down what is unusual about curves; records in order, one per seed and step.

    Args:
        records: of one source.
        duplicates: what becomes of several values of one seed and step.
        findings: what is noticed is added to these.
    """
    _check_units(records, findings)
    _check_returns(records, findings)
    seeds: dict[tuple[Curve, int], list[Record]] = defaultdict(list)
    for record in records:
        seeds[record.curve, record.seed].append(record)
    curves: dict[Curve, dict[int, list[Record]]] = defaultdict(dict)
    for curve, seed in sorted(seeds):
        curves[curve][seed] = _one_per_step(seeds[curve, seed], duplicates, findings)
    for curve, found in curves.items():
        _check_gaps(curve, found, findings)
        _check_ends(curve, found, findings)
    _check_coverage(curves, findings)
    return [one for found in curves.values() for steps in found.values() for one in steps]


def _one_per_step(
    records: Iterable[Record], duplicates: Duplicates, findings: Findings
) -> list[Record]:
    """The records of one seed in order of steps, each step once."""
    steps: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        steps[record.env_step].append(record)
    several = [found for found in steps.values() if len(found) > 1]
    if several:
        _tell_duplicates(several, duplicates, findings)
    return [_kept(steps[step], duplicates) for step in sorted(steps)]


def _tell_duplicates(
    several: Sequence[Sequence[Record]], duplicates: Duplicates, findings: Findings
) -> None:
    equal = sum(len({one.value for one in found}) == 1 for found in several)
    first = several[0]
    values = ", ".join(f"{one.value:g}" for one in first[:_NAMED])
    message = (
        f"{_told(first[0])}: {_number(len(several), 'step')} with several values, "
        f"{equal} of them with equal ones; e.g. step {first[0].env_step:,}: {values}"
    )
    second = first[1]
    if duplicates == "refuse":
        findings.refuse("duplicates", message, file=second.file, line=second.line)
    else:
        action = _KEPT[duplicates]
        findings.add("duplicates", "warning", message, action, file=second.file, line=second.line)


def _kept(found: Sequence[Record], duplicates: Duplicates) -> Record:
    if len(found) == 1 or duplicates == "first":
        return found[0]
    if duplicates == "last":
        return found[-1]
    marks = ",".join(sorted({AVERAGED, *filter(None, (one.marks for one in found))}))
    return replace(found[0], value=statistics.fmean(one.value for one in found), marks=marks)


def _check_gaps(curve: Curve, seeds: Mapping[int, Sequence[Record]], findings: Findings) -> None:
    """Tell of steps further apart than they usually are in this curve."""
    pairs = [pair for steps in seeds.values() for pair in itertools.pairwise(steps)]
    if not pairs:
        return
    usual = statistics.median_low(after.env_step - before.env_step for before, after in pairs)
    gaps = [pair for pair in pairs if pair[1].env_step - pair[0].env_step > _GAP * usual]
    if gaps:
        before, after = max(gaps, key=lambda pair: pair[1].env_step - pair[0].env_step)
        message = (
            f"{curve.agent} {curve.task}: {_number(len(gaps), 'interval')} longer than the usual "
            f"{usual:,} steps, the longest from {before.env_step:,} to {after.env_step:,} "
            f"(seed {before.seed})"
        )
        findings.add(
            "gaps", "note", message, "nothing is filled in", file=after.file, line=after.line
        )


def _check_ends(curve: Curve, seeds: Mapping[int, Sequence[Record]], findings: Findings) -> None:
    """Tell of seeds that end before others."""
    ends = {seed: steps[-1].env_step for seed, steps in seeds.items()}
    if len(set(ends.values())) > 1:
        last = max(ends.values())
        early = [f"seed {seed} at {end:,}" for seed, end in ends.items() if end < last]
        message = f"{curve.agent} {curve.task}: {_some(early)} instead of {last:,}"
        shortest = seeds[min(ends, key=lambda seed: ends[seed])][-1]
        findings.add(
            "unequal ends", "note", message, "kept as they are",
            file=shortest.file, line=shortest.line,
        )  # fmt: skip


def _check_coverage(
    curves: Mapping[Curve, Mapping[int, Sequence[Record]]], findings: Findings
) -> None:
    """Tell, for each agent, of tasks with fewer seeds than others and of those not there."""
    agents: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(dict)
    for curve, seeds in curves.items():
        agents[curve.agent, curve.variant][curve.task] = {*seeds}
    for (agent, variant), tasks in agents.items():
        name = agent if variant == "default" else f"{agent} {variant}"
        usual = set().union(*tasks.values())
        fewer = [task for task, seeds in tasks.items() if seeds < usual]
        if fewer:
            message = f"{name}: {_number(len(usual), 'seed')}, but fewer of {_some(fewer)}"
            findings.add("missing seeds", "note", message, "kept as they are")
        _check_tasks(name, tasks, findings)


def _check_tasks(name: str, there: Iterable[str], findings: Findings) -> None:
    known = {task.name: task.suite for task in registry.tasks()}
    suites = {known[task] for task in there if task in known}
    for suite in registry.SUITES:
        missing = [task for task in known if known[task] == suite and task not in {*there}]
        if suite in suites and missing:
            n = f"{len(missing)} of the {sum(one == suite for one in known.values())} tasks"
            message = f"{name}: {n} of {suite} are not there: {_some(missing)}"
            findings.add("missing tasks", "note", message, "kept as they are; never counted as 0")


def _check_units(records: Iterable[Record], findings: Findings) -> None:
    """Tell of a suite in which some curves look like fractions and others do not."""
    most: dict[Curve, float] = defaultdict(float)
    suites = {task.name: task.suite for task in registry.known_tasks()}
    for record in records:
        most[record.curve] = max(most[record.curve], record.number)
    for suite in sorted({suites[curve.task] for curve in most}):
        curves = {curve: number for curve, number in most.items() if suites[curve.task] == suite}
        fractions = [curve for curve, number in curves.items() if 0 < number <= 1]
        others = [curve for curve, number in curves.items() if number > 1]
        if fractions and others:
            message = (
                f"{suite}: at most 1 in {_some(_names(fractions))}, but up to "
                f"{max(curves.values()):g} in {_some(_names(others))}; are they in one unit?"
            )
            findings.add("mixed units", "warning", message, "kept as they are")


def _check_returns(records: Iterable[Record], findings: Findings) -> None:
    """Tell of a suite whose returns are all so small that they may be scores."""
    tasks = {task.name: task for task in registry.known_tasks()}
    most: dict[str, float] = defaultdict(float)
    for record in records:
        task = tasks[record.curve.task]
        if task.metric == "return" and (task.score_max or 0) >= _LARGE:
            most[task.suite] = max(most[task.suite], record.value)
    for suite, value in most.items():
        if 0 < value <= 1:
            message = f"{suite}: no return is above {value:g}; "
            message += f"if these are scores: --perfect {suite}=1"
            findings.add("mixed units", "warning", message, "kept as they are")


def _names(curves: Iterable[Curve]) -> list[str]:
    return [f"{curve.agent} {curve.task}" for curve in curves]


def _told(record: Record) -> str:
    return f"{record.curve.agent} {record.curve.task} seed {record.seed}"


def _number(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _some(names: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
