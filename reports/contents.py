"""What stands on the page of a report: findings, drawings and verdicts as its tables and curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from tdmpc2_bench import comparison
from tdmpc2_bench.comparison import GroupComparison, Method, Pair, TaskComparison
from tdmpc2_bench.lines import Line
from tdmpc2_bench.reports import budgets, by_task, panels, tables, theme
from tdmpc2_bench.reports.budgets import COMMON
from tdmpc2_bench.reports.estimates import STATISTICS
from tdmpc2_bench.reports.figures import Drawing
from tdmpc2_bench.reports.findings import Findings, counted
from tdmpc2_bench.reports.page import (
    Cell,
    Column,
    FigureItem,
    LineCurve,
    LineInfo,
    Page,
    Row,
    SeedCurve,
    Table,
    TaskCurves,
    Tone,
)

_TONES: Mapping[str, Tone] = {
    "match": "good", "inside": "good", "worse": "bad", "below": "bad", "better": "notable",
    "above": "notable", "inconclusive": "open", "not enough": "open", "no common point": "open",
}  # fmt: skip


def page(findings: Findings, drawings: Sequence[Drawing]) -> Page:
    """Fill the page.

    Args:
        findings: what was found.
        drawings: figures to show; their files lie in ``figures`` beside the page.
    """
    return Page(
        title="Results of " + ", ".join(sorted({line.agent for line in findings.lines})),
        subtitle=f"tdmpc2-bench report {' '.join(findings.sources)}",
        notes=_notes(findings),
        warnings=(*findings.warnings, *_missing(findings)),
        lines=tuple(_line(line, findings) for line in findings.lines),
        summary=tuple(_summary(findings)),
        verdicts=tuple(_verdicts(findings)),
        figures=tuple(_figure(drawing) for drawing in drawings),
        curves=tuple(_curves(findings)),
        tables=(_tasks(findings), _budgets(findings)),
        provenance=(_provenance(findings), _facts(findings)),
    )


def _notes(findings: Findings) -> tuple[str, ...]:
    described = (
        f"Bands of single tasks with fewer than {by_task.SEEDS_FOR_INTERVALS} seeds go from the "
        "lowest to the highest seed: a description of these seeds, no interval."
    )
    words = [one for one in findings.budgets if one.name not in budgets.STEPS]
    meanings = [f"{one.name}: {one.meaning}." for one in words]
    return (f"Intervals of groups: {findings.method}.", described, *meanings)


def _missing(findings: Findings) -> Iterator[str]:
    """Which seeds lines lack at the common step, and which tasks do not get to one."""
    rows = findings.by_task[findings.by_task["budget"] == COMMON]
    for line in findings.lines:
        of_line = rows[rows["line"] == line.label]
        lacking = int(of_line["missing"].sum())
        if lacking:
            runs = lacking + int(of_line["seeds"].sum())
            yield f"{line.label}: {lacking} of {runs} runs have no result at the common step"
    apart = [task for task in findings.tasks if task not in set(rows["task"])]
    if apart:
        yield f"no step at which all lines have a result, so left out there: {', '.join(apart)}"


def _line(line: Line, findings: Findings) -> LineInfo:
    cells = line.table.drop_duplicates(["task", "seed"])
    return LineInfo(
        label=line.label,
        agent=line.agent,
        variant=line.variant,
        source=line.source,
        colour=theme.styles(findings.lines)[line.label].colour,
        seeds=line.seeds,
        tasks=len(line.tasks),
        revision=str(line.revision),
        fingerprints=tuple(sorted(cells["fingerprint"].unique())),
        statuses=tuple(sorted(Counter(cells["status"]).items())),
    )


def _summary(findings: Findings) -> Iterator[Table]:
    rows = findings.summary[findings.summary["budget"] == COMMON]
    parts = rows.groupby(["group", "line"], sort=False)
    columns = [Column("group"), Column("line")]
    columns += [Column(theme.STATISTICS[name], "number") for name in STATISTICS]
    yield Table(
        name="summary",
        title="Summary",
        columns=(*columns, Column("over")),
        rows=tuple(_standing(str(group), str(label), part) for (group, label), part in parts),
        caption=tables.aggregates(findings).caption,
    )


def _standing(group: str, label: str, part: pd.DataFrame) -> Row:
    found = part.set_index("statistic")
    numbers = [_interval(found.loc[name].to_dict()) for name in STATISTICS]
    over = Cell(tables.covered(part.iloc[0]))
    cells = (Cell(theme.group_name(group)), Cell(label), *numbers, over)
    return Row(cells, suite=group if "-" not in group and group != "all" else "", lines=(label,))


def _interval(row: Mapping[Any, Any]) -> Cell:
    low, high = row["low"], row["high"]
    return Cell(float(row["value"]), f"{row['value']:.3f}", f"[{low:.3f}, {high:.3f}]")


def _budgets(findings: Findings) -> Table:
    rows = findings.summary[findings.summary["statistic"] == "iqm"]
    names = panels.names_of(rows, "budget")
    columns = [Column("group"), Column("line"), *(Column(name, "number") for name in names)]
    made = []
    for (group, label), part in rows.groupby(["group", "line"], sort=False):
        found = part.set_index("budget")
        numbers = [
            _interval(found.loc[name].to_dict()) if name in found.index else Cell(None)
            for name in names
        ]
        cells = (Cell(theme.group_name(str(group))), Cell(str(label)), *numbers)
        made.append(Row(cells, lines=(str(label),)))
    caption = tables.at_budgets(findings).caption
    return Table("budgets", "At fixed budgets", tuple(columns), tuple(made), caption)


def _verdicts(findings: Findings) -> Iterator[Table]:
    """Every line beside what `compare` would compare it with, if that is of the same agent."""
    method = Method(reps=findings.reps, level=findings.level, seed=findings.seed)
    pairs, _ = comparison.pair_up(findings.lines, method, only_same_agent=True)
    groups = [_group(pair, one) for pair in pairs for one in pair.groups]
    if groups:
        yield Table(
            name="verdicts",
            title="Over groups of tasks",
            columns=_columns(
                "line", "reference", "group", "verdict", "difference", "p (t)", "p (permutation)",
                "P(better)", "A/A", "over",
            ),
            rows=tuple(groups),
            caption=f"{method.describe()} P(better): that a run beats one of the reference on a "
            "task drawn at random. A/A: how often the t test finds a difference between the "
            "reference and itself.",
        )  # fmt: skip
    tasks = [_task(pair, one) for pair in pairs for one in pair.tasks]
    if tasks:
        yield Table(
            name="verdicts-tasks",
            title="Task by task",
            columns=_columns("line", "reference", "task", "verdict", "score", "range", "env step"),
            rows=tuple(tasks),
            caption="A description, no test: is the mean within the range of the reference's "
            f"seeds, widened by {comparison.WIDENED} of score?",
        )


def _columns(*names: str) -> tuple[Column, ...]:
    numbers = {
        "difference",
        "p (t)",
        "p (permutation)",
        "P(better)",
        "A/A",
        "score",
        "range",
        "env step",
    }
    return tuple(Column(name, "number" if name in numbers else "text") for name in names)


def _group(pair: Pair, one: GroupComparison) -> Row:
    difference = Cell(
        one.difference, f"{one.difference:+.3f}", f"[{one.low:+.3f}, {one.high:+.3f}]"
    )
    cells = (
        Cell(pair.line),
        Cell(pair.reference),
        Cell(theme.group_name(one.group)),
        Cell(one.verdict, tone=_TONES[one.verdict]),
        difference if one.p is not None else Cell(None),
        *(Cell(value) for value in (one.p, one.p_permutation, one.improvement, one.control)),
        Cell(f"{counted(one.tasks, one.tasks, 'task')}, {one.seeds} seeds or more"),
    )
    return Row(cells, lines=(pair.line,))


def _task(pair: Pair, one: TaskComparison) -> Row:
    cells = (
        Cell(pair.line),
        Cell(pair.reference),
        Cell(one.task),
        Cell(one.verdict, tone=_TONES[one.verdict]),
        Cell(one.score, f"{one.score:.3f}" if one.env_step else ""),
        Cell(one.low, f"{one.low:.3f}", f"to {one.high:.3f}") if one.env_step else Cell(None),
        Cell(None if one.env_step is None else float(one.env_step), f"{one.env_step or 0:,}"),
    )
    return Row(cells, suite=one.suite, task=one.task, lines=(pair.line,))


def _figure(drawing: Drawing) -> FigureItem:
    files = tuple(f"figures/{drawing.name}.{suffix}" for suffix in drawing.files)
    svg = drawing.files["svg"].decode()
    return FigureItem(drawing.name, drawing.title, svg, drawing.caption, files)


def _curves(findings: Findings) -> Iterator[TaskCurves]:
    of_task = dict(iter(findings.task_curves.groupby("task", sort=False)))
    suites = {
        task: suite
        for line in findings.lines
        for task, suite in zip(line.table["task"], line.table["suite"], strict=True)
    }
    for task in findings.tasks:
        if task in of_task:
            rows = of_task[task]
            metric = str(rows["metric"].iloc[0])
            drawn = tuple(
                _curve(next(one for one in findings.lines if one.label == label), part)
                for label, part in rows.groupby("line", sort=False)
            )
            band = "; ".join(panels.names_of(rows, "band"))
            yield TaskCurves(task, suites[task], metric, by_task.unit(metric), drawn, band)


def _curve(line: Line, rows: pd.DataFrame) -> LineCurve:
    """Mean and band, and the seeds where they are known all along."""
    task = str(rows["task"].iloc[0])
    seeds = () if line.bands is not None else line.curves[task]
    single = tuple(
        SeedCurve(one.seed, one.steps.tolist(), one.values.tolist())  # noqa: PD011 - a curve's
        for one in seeds
    )
    steps, mean, low, high = (rows[name].tolist() for name in ("env_step", "value", "low", "high"))
    return LineCurve(line.label, steps, mean, low, high, single)


def _tasks(findings: Findings) -> Table:
    rows = findings.by_task[findings.by_task["budget"] == COMMON]
    found = {(row["task"], row["line"]): row for row in rows.to_dict("records")}
    columns = [Column("task"), Column("metric"), Column("env step", "number")]
    columns += [Column(label, "number", line=label) for label in findings.labels]
    made = []
    for task in [task for task in findings.tasks if task in set(rows["task"])]:
        of_lines = [found.get((task, label)) for label in findings.labels]
        known: Any = next(row for row in of_lines if row)
        step = float(known["env_step"])
        cells = [Cell(task), Cell(by_task.unit(known["metric"])), Cell(step, f"{step:,.0f}")]
        cells += [_value(row) for row in of_lines]
        made.append(Row(tuple(cells), suite=known["suite"], task=task))
    caption = tables.tasks(findings).caption
    return Table("tasks", "Task by task", tuple(columns), tuple(made), caption)


def _value(row: Mapping[Any, Any] | None) -> Cell:
    if row is None:
        return Cell(None)
    value, _, detail = tables.value(row).partition(" ")
    return Cell(float(row["value"]), value, detail)


def _provenance(findings: Findings) -> Table:
    """Where every line is from, and under which protocols."""
    columns = _columns("line", "source", "agent", "variant", "revision", "tasks", "protocols")
    rows = []
    for line in findings.lines:
        protocols = line.table["fingerprint"].nunique()
        numbers = (str(line.revision), str(len(line.tasks)), str(protocols))
        texts = (line.label, line.source, line.agent, line.variant, *numbers)
        rows.append(Row(tuple(map(Cell, texts)), lines=(line.label,)))
    return Table("provenance", "Provenance", columns, tuple(rows))


def _facts(findings: Findings) -> Table:
    """With what the results of every source were made."""
    rows = tuple(Row(tuple(map(Cell, fact))) for fact in findings.provenance)
    return Table("facts", "Code, machine and simulators", _columns("source", "what", "is"), rows)
