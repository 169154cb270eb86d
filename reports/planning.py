"""What planning adds: scores of the planner against those of the policy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from tdmpc2_bench.reports import panels, theme
from tdmpc2_bench.reports.findings import span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "The same agents evaluated with the planner and with the mean of their policy alone. A dot is "
    "a task at its last evaluation, mean over {seeds} seeds; above the diagonal planning helps. "
    "Right: mean over tasks along training, full with and dotted without the planner, as far as "
    "every task has got."
)
NEEDS = "no line was evaluated both with a planner and without"


def data(findings: Findings) -> pd.DataFrame:
    """Line, task, env_step, seeds, planner, policy, gap, in score."""
    return findings.planning


def caption(findings: Findings) -> str:
    """What the figure shows."""
    low, high = findings.planning["seeds"].min(), findings.planning["seeds"].max()
    return CAPTION.format(seeds=span(low, high))


def draw(findings: Findings) -> Figure:
    """Two panels: tasks at their end, and all along training."""
    rows, styles = findings.planning, theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        figure = theme.figure(7.4, 3.9)
        ends, along = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
        ends.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
        scale = panels.steps_axis(along, rows["env_step"].max())
        for label, part in rows.groupby("line", sort=False):
            style = styles[str(label)]
            last = part.sort_values("env_step").groupby("task").last()
            ends.plot(
                last["policy"], last["planner"], "o", color=style.colour, markersize=4, alpha=0.6
            )
            means = _along(part)
            along.plot(means.index / scale, means["planner"], color=style.colour)
            along.plot(means.index / scale, means["policy"], color=style.colour, linestyle=":")
        ends.set_xlabel("score of the policy alone")
        ends.set_ylabel("score of the planner")
        ends.set_aspect("equal")
        along.set_ylabel("mean score")
        for axes in (ends, along):
            axes.set_ylim(-0.02, 1.02)
        panels.legend(figure, [styles[label] for label in panels.names_of(rows, "line")])
        theme.caption(figure, caption(findings))
        return figure


def _along(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over tasks at the steps that all tasks have."""
    counts = rows.groupby("env_step")["task"].nunique()
    whole = counts.index[np.flatnonzero(counts == rows["task"].nunique())]
    return rows[rows["env_step"].isin(whole)].groupby("env_step")[["planner", "policy"]].mean()
