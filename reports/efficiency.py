"""Data efficiency: after how many environment steps runs have most of the best final score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.ticker import EngFormatter

from tdmpc2_bench.reports import panels, theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "Share of runs evaluated at or above a fraction of the best final score of their task, by "
    "environment step; every task counts the same, and the best final score is the largest mean "
    "over seeds of any line at the common step. {group}: {coverage}. {bands} {note}"
)
NEEDS = "no task has a score above 0"


def data(findings: Findings) -> pd.DataFrame:
    """The shares: line, group, fraction, env_step, value, low, high, coverage."""
    return findings.efficiency


def caption(findings: Findings) -> str:
    """What the figure shows."""
    group = findings.main.name if findings.main else ""
    return CAPTION.format(
        group=theme.group_name(group),
        coverage=findings.coverage(group),
        bands=panels.bands(findings),
        note=panels.note(findings, findings.efficiency),
    ).strip()


def draw(findings: Findings) -> Figure:
    """One panel per fraction, steps on a logarithmic axis."""
    rows = panels.drawn(findings.efficiency)
    rows = rows[rows["env_step"] > 0]
    styles = theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        figure = theme.figure(8.4, 3.4)
        fractions = sorted(rows["fraction"].unique())
        for place, fraction in enumerate(fractions, 1):
            axes = figure.add_subplot(1, len(fractions), place)
            for label, part in rows[rows["fraction"] == fraction].groupby("line", sort=False):
                style = styles[str(label)]
                axes.fill_between(
                    part["env_step"], part["low"], part["high"], step="post",
                    color=style.colour, alpha=theme.SHADE, linewidth=0,
                )  # fmt: skip
                axes.step(
                    part["env_step"], part["value"], where="post",
                    color=style.colour, linestyle=style.dash,
                )  # fmt: skip
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_ylim(0, 1.02)
            axes.set_title(f"{fraction:.0%} of the best final score")
            axes.set_xlabel("environment steps")
            if place == 1:
                axes.set_ylabel("share of runs that got there")
        panels.legend(figure, [styles[label] for label in panels.names_of(rows, "line")])
        theme.caption(figure, caption(findings))
        return figure
