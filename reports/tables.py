"""Tables of a report: aggregates, aggregates at fixed budgets, single tasks, pairs of lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tdmpc2_bench.reports import by_task, improvement, panels, theme
from tdmpc2_bench.reports.budgets import COMMON, LAST, MEANING
from tdmpc2_bench.reports.estimates import STATISTICS
from tdmpc2_bench.reports.findings import Findings, counted, span
from tdmpc2_bench.reports.tabular import MISSING, Table

Row = Mapping[Any, Any]  # of a frame, by column
DIVERGED = "*"  # stands at the mean of a task with diverged seeds


def of(findings: Findings) -> list[Table]:
    """All tables that have something to show."""
    made = [aggregates(findings), at_budgets(findings), tasks(findings), pairs(findings)]
    return [table for table in made if table.rows]


def aggregates(findings: Findings) -> Table:
    """Every group and line at the common step: all statistics, and what they rest on."""
    rows = findings.summary[findings.summary["budget"] == COMMON]
    statistics = [*STATISTICS]
    columns = ["group", "line", *(theme.STATISTICS[name] for name in statistics), "over"]
    texts = []
    for (group, label), part in rows.groupby(["group", "line"], sort=False):
        found = part.set_index("statistic")
        cells = [_interval(found.loc[name].to_dict()) for name in statistics]
        texts.append([theme.group_name(str(group)), str(label), *cells, covered(part.iloc[0])])
    caption = (
        f"Normalised scores at the common step: {MEANING[COMMON]}. In brackets: {findings.method}. "
        "Lines over other tasks (see the last column) do not compare: `compare` takes shared ones."
    )
    return Table("aggregates", caption, columns, texts, findings.summary)


def at_budgets(findings: Findings) -> Table:
    """Every group and line: the interquartile mean at each budget."""
    rows = findings.summary[findings.summary["statistic"] == "iqm"]
    names = [budget.name for budget in findings.budgets if budget.name in set(rows["budget"])]
    texts = []
    for (group, label), part in rows.groupby(["group", "line"], sort=False):
        found = part.set_index("budget")
        most = rows.loc[rows["group"] == group, "of_tasks"].max()
        cells = [
            _interval(found.loc[name].to_dict(), most=most) if name in found.index else MISSING
            for name in names
        ]
        texts.append([theme.group_name(str(group)), str(label), *cells])
    caption = (
        f"Interquartile mean of normalised scores at budgets of environment steps. {COMMON}: "
        f"{MEANING[COMMON]}; {LAST}: {MEANING[LAST]}. In parentheses: the number of tasks, where "
        f"it is not that of the whole group. In brackets: {findings.method}."
    )
    return Table("budgets", caption, ["group", "line", *names], texts, rows)


def tasks(findings: Findings) -> Table:
    """Every task: mean and band of every line at the common step, in the metric's unit."""
    rows = findings.by_task[findings.by_task["budget"] == COMMON]
    found = {(row["task"], row["line"]): row for row in rows.to_dict("records")}
    texts = []
    for task in [task for task in findings.tasks if task in set(rows["task"])]:
        of_lines = [found.get((task, label)) for label in findings.labels]
        known: Row = next(row for row in of_lines if row)
        values = [value(row) for row in of_lines]
        seeds = [int(row["seeds"]) for row in of_lines if row]
        unit, step = by_task.unit(known["metric"]), f"{int(known['env_step']):,}"
        texts.append([task, unit, step, *values, span(min(seeds), max(seeds))])
    kinds = "; ".join(panels.names_of(rows, "band"))
    caption = (
        f"Mean over seeds at the common step. In brackets: {kinds} (with fewer than "
        f"{by_task.SEEDS_FOR_INTERVALS} seeds the lowest and highest seed, a description). "
        f"In parentheses: how many of a line's seeds have a result, where not all have. "
        f"{DIVERGED}: seeds of it diverged, their last evaluation counts. {MISSING}: no result."
    )
    columns = ["task", "metric", "env step", *findings.labels, "seeds"]
    return Table("tasks", caption, columns, texts, findings.by_task)


def pairs(findings: Findings) -> Table:
    """Every pair of lines: how likely one beats the other, group by group."""
    rows = improvement.data(findings)
    texts = [
        [
            theme.group_name(row["group"]),
            row["line"],
            row["other"],
            _interval(row),
            str(row["tasks"]),
        ]
        for row in rows.to_dict("records")
    ]
    columns = ["group", "line", "other", "P(line > other)", "tasks"]
    return Table("improvement", improvement.caption(findings), columns, texts, rows)


def covered(row: Row | pd.Series[Any]) -> str:
    """What a number rests on, from the coverage columns of its row."""
    low, high, tasks, of = (
        int(row[name]) for name in ("seeds_min", "seeds_max", "tasks", "of_tasks")
    )
    text = f"{counted(low, high, 'seed')} x {tasks}" + (f" of {of}" if tasks != of else "")
    text += " task" if of == 1 else " tasks"
    missing = int(row["missing"])
    text += f", {counted(missing, missing, 'run')} missing" if missing else ""
    return text + (f", {row['diverged']} diverged" if row["diverged"] else "")


def _interval(row: Row, *, most: int | None = None) -> str:
    text = f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    return text if most is None or row["tasks"] == most else f"{text} ({row['tasks']})"


def value(row: Row | None) -> str:
    """Mean and band of a line on a task, from its row of `Findings.by_task`."""
    if row is None:
        return MISSING
    digits = 1 if row["metric"] == "return" else 2
    mean, low, high = (f"{row[name]:.{digits}f}" for name in ("value", "low", "high"))
    text = f"{mean}{DIVERGED if row['diverged'] else ''} [{low}, {high}]"
    return f"{text} ({row['seeds']} of {row['seeds'] + row['missing']})" if row["missing"] else text
