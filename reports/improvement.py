"""Probability of improvement: how likely a run of one line beats a run of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd

from tdmpc2_bench.reports import panels, theme
from tdmpc2_bench.reports.budgets import COMMON, MEANING
from tdmpc2_bench.reports.findings import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings

CAPTION = (
    "How likely a run of the first beats a run of the second on a task drawn at random from those "
    "that both have, at the common step ({meaning}); a tie counts half. It tells how often, "
    "not by how much. {over}. Bars: {method}."
)
NEEDS = "there are no two lines with scores on the same tasks"
_NAME = 26  # characters of a line's name


def data(findings: Findings) -> pd.DataFrame:
    """The pairs, the better one on the main group first: group, line, other, value, low, high."""
    rows, main = findings.improvement, findings.main
    if rows.empty or main is None:
        return rows
    of_main = rows[(rows["group"] == main.name) & (rows["value"] < 1 / 2)]
    turned = rows.set_index(["line", "other"]).index.isin(
        pd.MultiIndex.from_frame(of_main[["line", "other"]])
    )
    other_way = rows[turned].rename(
        columns={"line": "other", "other": "line", "runs": "other_runs", "other_runs": "runs"}
    )
    mirrored = other_way.assign(
        value=1 - other_way["value"], low=1 - other_way["high"], high=1 - other_way["low"]
    )
    return pd.concat([rows[~turned], mirrored]).sort_index()[[*rows.columns]]


def caption(findings: Findings) -> str:
    """What the figure shows."""
    return CAPTION.format(meaning=MEANING[COMMON], over=_over(findings), method=findings.method)


def _over(findings: Findings) -> str:
    """On how many tasks and runs the pairs of the main group rest."""
    if findings.main is None or findings.improvement.empty:
        return "no tasks"
    rows = findings.improvement
    rows = rows[rows["group"] == findings.main.name]
    if rows.empty:
        return "no tasks"
    runs = pd.concat([rows["runs"], rows["other_runs"]])
    tasks = counted(int(rows["tasks"].min()), int(rows["tasks"].max()), "task")
    return f"{tasks}, {counted(int(runs.min()), int(runs.max()), 'run')} a line"


def draw(findings: Findings) -> Figure:
    """One panel per suite, and all; a row per pair."""
    rows, styles = data(findings), theme.styles(findings.lines)
    rows = rows[~rows["group"].str.contains("-")]
    pairs = rows[["line", "other"]].drop_duplicates().itertuples(index=False)
    places = {(str(one.line), str(one.other)): -place for place, one in enumerate(pairs)}
    with mpl.rc_context(theme.RC):
        groups = panels.names_of(rows, "group")
        figure, axes_of = panels.per_group(groups, columns=5, height=0.9 + 0.22 * len(places))
        for axes, group in zip(axes_of, groups, strict=True):
            axes.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
            for row in rows[rows["group"] == group].to_dict("records"):
                place, colour = places[row["line"], row["other"]], styles[row["line"]].colour
                ends = [row["low"], row["high"]]
                axes.plot(ends, [place, place], color=colour, linewidth=5, alpha=0.5,
                          solid_capstyle="butt")  # fmt: skip
                axes.plot(row["value"], place, "|", color="black", markersize=9)
            axes.set_xlim(0, 1)
            axes.set_ylim(min(places.values()) - 0.6, 0.6)
            axes.set_xlabel("P(first > second)")
            names = [f"{_short(styles[x].name)} > {_short(styles[y].name)}" for x, y in places]
            first = axes in axes_of[::5]
            axes.set_yticks([*places.values()], names if first else [""] * len(names), fontsize=7)
        theme.caption(figure, caption(findings))
        return figure


def _short(name: str) -> str:
    return theme.shortened(name, _NAME)
