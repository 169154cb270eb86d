"""Aggregates at fixed budgets as bars: sample efficiency at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from tdmpc2_bench.reports import panels, theme
from tdmpc2_bench.reports.budgets import COMMON, LAST, MEANING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings
    from tdmpc2_bench.reports.theme import Style

CAPTION = (
    "Interquartile mean of normalised scores at fixed budgets of environment steps. "
    "Common: {meaning}. Where a budget ends some tasks, the number of those that go on (t.) stands "
    "below it; a cross marks a line without results there. {coverage}. {bands} {note}"
)
NEEDS = "no task has a score"


def data(findings: Findings) -> pd.DataFrame:
    """Every aggregate: line, group, budget, statistic, value, low, high, coverage."""
    return findings.summary


def caption(findings: Findings) -> str:
    """What the figure shows."""
    group = findings.main.name if findings.main else ""
    return CAPTION.format(
        meaning=MEANING[COMMON],
        coverage=f"At the common step, {theme.group_name(group)}: {findings.coverage(group)}",
        bands=panels.bands(findings).replace("Bands", "Error bars"),
        note=panels.note(findings, _shown(findings)),
    ).strip()


def draw(findings: Findings) -> Figure:
    """One panel per group, in it a cluster of bars per budget."""
    rows = _shown(findings)
    shown = panels.drawn(rows)
    styles = theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        groups = panels.names_of(shown, "group")
        figure, axes_of = panels.per_group(groups, columns=2, height=1.9, width=3.6)
        for axes, group in zip(axes_of, groups, strict=True):
            of_group = shown[shown["group"] == group]
            lines = panels.names_of(of_group, "line")
            _bars(axes, of_group, {label: styles[label] for label in lines})
        for axes in axes_of[::2]:
            axes.set_ylabel("IQM of scores")
        panels.legend(figure, [styles[label] for label in panels.names_of(shown, "line")])
        theme.caption(figure, caption(findings))
        return figure


def _shown(findings: Findings) -> pd.DataFrame:
    rows = findings.summary
    return rows[(rows["statistic"] == "iqm") & (rows["budget"] != LAST)]


def _bars(axes: Axes, rows: pd.DataFrame, styles: dict[str, Style]) -> None:
    budgets = panels.names_of(rows, "budget")
    width = 0.8 / max(len(styles), 1)
    for place, (label, style) in enumerate(styles.items()):
        of_line = rows[rows["line"] == label].set_index("budget").reindex(budgets)
        x = np.arange(len(budgets)) + (place - (len(styles) - 1) / 2) * width
        known = of_line["value"].notna().to_numpy()
        value = of_line["value"].to_numpy()[known]
        errors = [
            value - of_line["low"].to_numpy()[known],
            of_line["high"].to_numpy()[known] - value,
        ]
        axes.bar(
            x[known],
            value,
            width * 0.92,
            color=style.colour,
            hatch="//" if style.dash != "-" else None,
            edgecolor="white",
            linewidth=0.5,
            yerr=np.maximum(errors, 0),
            error_kw={"elinewidth": 0.8, "capsize": 1.5},
            label=style.name,
        )
        axes.plot(x[~known], np.full((~known).sum(), 0.02), "x", color=style.colour, markersize=4)
    most = rows["of_tasks"].max()
    counts = rows.groupby("budget")["of_tasks"].max()
    ticks = [name if counts[name] == most else f"{name}\n{counts[name]} t." for name in budgets]
    axes.set_xticks(range(len(budgets)), ticks, fontsize=7)
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 1.05)
