"""What scores cost: aggregates against hours of wall time and against updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from tdmpc2_bench.reports import panels, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "Interquartile mean of normalised scores over {group} against what a run had taken by then, on "
    "average over {runs} runs: wall time, evaluations included and pauses not, as the "
    "cells were trained (compare only what was trained on equal machines); and updates. {bands}"
)
NEEDS = "no cell has a training log (imported and published results have none)"
_MINUTES = 60  # in an hour


def data(findings: Findings) -> pd.DataFrame:
    """Line, group, env_step, hours, updates, value, low, high, runs that were measured."""
    return findings.compute


def caption(findings: Findings) -> str:
    """What the figure shows."""
    rows = _shown(findings)
    runs = " or ".join(str(count) for count in sorted(rows["runs"].unique()))
    return CAPTION.format(
        group=theme.group_name(rows["group"].iloc[0]), runs=runs, bands=panels.bands(findings)
    )


def draw(findings: Findings) -> Figure:
    """Two panels: hours and updates."""
    rows, styles = _shown(findings), theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        figure = theme.figure(7.0, 3.4)
        for place, (column, (name, factor)) in enumerate(_axes(rows).items(), 1):
            axes = figure.add_subplot(1, 2, place)
            for label, part in rows.groupby("line", sort=False):
                panels.followed(axes, part[column] * factor, part, styles[str(label)])
            axes.set_xlabel(name)
            axes.set_ylabel("IQM of scores" if place == 1 else "")
            axes.set_ylim(0, 1.02)
            axes.set_xlim(left=0)
        panels.legend(figure, [styles[label] for label in panels.names_of(rows, "line")])
        theme.caption(figure, caption(findings))
        return figure


def _shown(findings: Findings) -> pd.DataFrame:
    """The rows of the main group, or of the first where that has none."""
    rows = findings.compute
    main = findings.main.name if findings.main else ""
    group = main if (rows["group"] == main).any() else rows["group"].iloc[0]
    return rows[rows["group"] == group]


def _axes(rows: pd.DataFrame) -> dict[str, tuple[str, int]]:
    """What the columns are called on an axis, and what they are multiplied with."""
    time = ("hours per run", 1) if rows["hours"].max() >= 1 else ("minutes per run", _MINUTES)
    return {"hours": time, "updates": ("updates per run", 1)}
