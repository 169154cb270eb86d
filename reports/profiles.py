"""Performance profiles: which share of runs ends above each score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from tdmpc2_bench.reports import panels, theme
from tdmpc2_bench.reports.budgets import COMMON, MEANING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "Share of runs with a normalised score above each value, every task counting the same, "
    "at the common step ({meaning}). {coverage}. {bands} {note}"
)
NEEDS = "no task has a score"


def data(findings: Findings) -> pd.DataFrame:
    """The profiles: line, group, score, value (the share), low, high, coverage."""
    return findings.profiles


def caption(findings: Findings) -> str:
    """What the figure shows."""
    group = findings.main.name if findings.main else ""
    return CAPTION.format(
        meaning=MEANING[COMMON],
        coverage=f"{theme.group_name(group)}: {findings.coverage(group)}",
        bands=panels.bands(findings),
        note=panels.note(findings, findings.profiles),
    ).strip()


def draw(findings: Findings) -> Figure:
    """One panel per suite, and all."""
    rows = panels.drawn(findings.profiles)
    styles = theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        groups = panels.names_of(rows, "group")
        figure, axes_of = panels.per_group(groups, columns=3, height=2.4)
        for axes, group in zip(axes_of, groups, strict=True):
            for label, part in rows[rows["group"] == group].groupby("line", sort=False):
                panels.followed(axes, part["score"], part, styles[str(label)])
            axes.set_xlabel("normalised score")
            axes.set_ylim(0, 1.02)
            axes.set_xlim(0, 1)
        for axes in axes_of[::3]:
            axes.set_ylabel("share of runs above")
        panels.legend(figure, [styles[label] for label in panels.names_of(rows, "line")])
        theme.caption(figure, caption(findings))
        return figure
