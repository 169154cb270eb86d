"""How much seeds differ: the spread of final scores between the seeds of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from tdmpc2_bench.reports import panels, theme
from tdmpc2_bench.reports.budgets import COMMON, MEANING
from tdmpc2_bench.reports.findings import span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "Highest less lowest normalised score among the {seeds} seeds of a task, at the common step "
    "({meaning}): left, the share of tasks that spread at most so far; right, a dot per task. It "
    "describes these seeds; more seeds spread further."
)
NEEDS = "no task has a score of two seeds"


def data(findings: Findings) -> pd.DataFrame:
    """Line, task, seeds, mean, low, high, spread, deviation (of a seed, sample), in score."""
    return findings.spread


def caption(findings: Findings) -> str:
    """What the figure shows."""
    low, high = findings.spread["seeds"].min(), findings.spread["seeds"].max()
    return CAPTION.format(seeds=span(low, high), meaning=MEANING[COMMON])


def draw(findings: Findings) -> Figure:
    """Two panels: all tasks in order of their spread, and each by its score."""
    rows, styles = findings.spread, theme.styles(findings.lines)
    with mpl.rc_context(theme.RC):
        figure = theme.figure(7.4, 3.6)
        ordered, scattered = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
        for label, part in rows.groupby("line", sort=False):
            style = styles[str(label)]
            spreads = np.sort(part["spread"].to_numpy())
            share = np.arange(1, len(spreads) + 1) / len(spreads)
            ordered.step(spreads, share, where="post", color=style.colour, linestyle=style.dash)
            scattered.plot(
                part["mean"], part["spread"], "o", color=style.colour, markersize=3.5, alpha=0.6
            )
        ordered.set_xlabel("spread between seeds (score)")
        ordered.set_ylabel("share of tasks")
        ordered.set_xlim(0, 1)
        ordered.set_ylim(0, 1.02)
        scattered.set_xlabel("mean score of the task")
        scattered.set_ylabel("spread between seeds (score)")
        scattered.set_xlim(-0.02, 1.02)
        scattered.set_ylim(-0.02, 1.02)
        panels.legend(figure, [styles[label] for label in panels.names_of(rows, "line")])
        theme.caption(figure, caption(findings))
        return figure
