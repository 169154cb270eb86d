"""The learning curve of a task: return or success against environment steps.

Every line of agent and variant shows its seeds thinly and their mean strongly; modes other than
the headline (for TD-MPC2 the policy without planning) are dashed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from tdmpc2_bench.analysis.align import mean_curve
from tdmpc2_bench.reports import theme

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Thin: single seeds; strong: their mean where all have a value; dashed or dotted: {modes}.\n"
    "{episodes} episodes per evaluation."
)
_LABELS = {"return": "episode return", "success": "success rate at the last step"}
_LABEL_WIDTH = 70  # characters of agent and variant that a legend shows
_LINE = ["agent", "variant", "fingerprint", "revision"]  # what is never averaged over
_DASHES = {"mean": "--", "sample": ":"}  # modes beside the headline


def draw(table: pd.DataFrame) -> Figure:
    """Draw the rows of one task.

    Args:
        table: rows as of `tdmpc2_bench.results.load`, of one task.
    """
    (task,), (metric,) = table["task"].unique(), table["metric"].unique()
    with mpl.rc_context(theme.RC):
        figure = theme.figure()
        axes = figure.add_subplot()
        scale, unit = theme.step_unit(int(table["env_step"].max()))
        groups = list(table.groupby(_LINE, sort=True))
        named = [key[:2] for key, _ in groups]
        for index, (key, rows) in enumerate(groups):
            label = f"{key[0]} {key[1]}" if key[1] != "default" else str(key[0])
            if named.count(key[:2]) > 1:  # the same agent under two protocols or revisions
                label += f" [{key[2]}, revision {key[3]}]"
            label = label if len(label) <= _LABEL_WIDTH else f"{label[: _LABEL_WIDTH - 1]}…"
            _draw_line(axes, rows, label, theme.colour(index), scale)
        axes.set_title(task)
        axes.set_xlabel(f"environment steps ({unit})")
        axes.set_ylabel(_LABELS[metric])
        axes.set_ylim(bottom=0, top=1.05 if metric == "success" else None)
        figure.legend(loc="outside upper left", fontsize=6)
        others = sorted(set(table.loc[~table["headline"], "mode"]))
        episodes = " or ".join(map(str, sorted(table["episodes"].unique())))
        caption = CAPTION.format(modes=" and ".join(others) or "none", episodes=episodes)
        figure.supxlabel(caption, fontsize=6)
        return figure


def _draw_line(axes: Axes, rows: pd.DataFrame, label: str, colour: str, scale: int) -> None:
    """One agent and variant: its headline mode and, dashed, its other modes."""
    for mode, of_mode in rows.groupby("mode", sort=False):
        headline = bool(of_mode["headline"].iloc[0])
        seeds = [seed for _, seed in of_mode.sort_values("env_step").groupby("seed")]
        steps = [seed["env_step"].to_numpy(np.int64) for seed in seeds]
        values = [seed["value"].to_numpy(np.float64) for seed in seeds]
        if headline and len(seeds) > 1:
            for x, y in zip(steps, values, strict=True):
                axes.plot(x / scale, y, color=colour, alpha=0.35, linewidth=0.8)
        x, y = mean_curve(steps, values)
        axes.plot(
            x / scale,
            y,
            color=colour,
            linewidth=1.8 if headline else 1.0,
            linestyle="-" if headline else _DASHES.get(str(mode), "-."),
            marker="o" if headline else None,
            markersize=3,
            label=f"{label}, {mode} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})",
        )
