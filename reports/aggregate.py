"""Learning curves over groups of tasks: the interquartile mean of normalised scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from tdmpc2_bench.reports import panels, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "Interquartile mean of normalised scores over all runs of a group of tasks, as far as every "
    "task of the line has got. At the common step, {group}: {coverage}. {bands} {note}"
)
NEEDS = "no task with a score was evaluated twice"


def data(findings: Findings) -> pd.DataFrame:
    """The curves: line, group, statistic, env_step, value, low, high, coverage."""
    return findings.curves


def caption(findings: Findings) -> str:
    """What the figure shows."""
    rows = findings.curves
    group = findings.main.name if findings.main else ""
    return CAPTION.format(
        group=theme.group_name(group),
        coverage=findings.coverage(group),
        bands=panels.bands(findings),
        note=panels.note(findings, rows),
    ).strip()


def draw(findings: Findings) -> Figure:
    """One panel per group."""
    rows = panels.drawn(findings.curves)
    rows = rows[rows["statistic"] == "iqm"]
    styles = theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        groups = panels.names_of(rows, "group")
        figure, axes_of = panels.per_group(groups)
        for axes, group in zip(axes_of, groups, strict=True):
            inside = rows[rows["group"] == group]
            scale = panels.steps_axis(axes, inside["env_step"].max())
            for label, part in inside.groupby("line", sort=False):
                panels.followed(axes, part["env_step"] / scale, part, styles[str(label)])
            axes.set_ylim(0, 1.02)
            axes.set_xlim(left=0)
        for axes in axes_of[::4]:
            axes.set_ylabel("IQM of scores")
        panels.legend(figure, [styles[label] for label in panels.names_of(rows, "line")])
        theme.caption(figure, caption(findings))
        return figure
