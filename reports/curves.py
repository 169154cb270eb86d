"""The learning curve of a task: return or success against environment steps.

Every line shows its seeds thinly and their mean strongly; modes other than the headline (for
TD-MPC2 the policy without planning) are dashed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd

from tdmpc2_bench.analysis.align import mean_curve
from tdmpc2_bench.reports import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings
    from tdmpc2_bench.reports.theme import Style

CAPTION = (
    "Thin: single seeds; strong: their mean where all have a value{modes}.{bands} "
    "{episodes}{seeds} seeds."
)
NEEDS = "nothing was evaluated"
PER_TASK = True  # draw, data and caption take a task, and there is a file for each
_LABELS = {"return": "episode return", "success": "success rate at the last step"}
_DASHES = {"mean": "--", "sample": ":"}  # modes beside the headline
_KEPT = (
    "agent", "variant", "seed", "mode", "headline", "env_step", "metric", "value", "score",
    "return", "success", "gap", "episodes", "fingerprint", "revision", "status", "marks",
)  # fmt: skip


def data(findings: Findings, task: str) -> pd.DataFrame:
    """The evaluations of a task: line, and the columns of the long table."""
    parts = [
        line.table.loc[line.table["task"] == task, [*_KEPT]].assign(line=line.label, task=task)
        for line in findings.lines
        if task in line.curves
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows[["line", "task", *_KEPT]].drop_duplicates()


def caption(findings: Findings, task: str) -> str:
    """What the figure shows."""
    rows = data(findings, task)
    others = sorted(set(rows.loc[~rows["headline"], "mode"]))
    episodes = [str(count) for count in sorted(rows["episodes"].unique()) if count]
    seeds = sorted({len(line.curves[task]) for line in findings.lines if task in line.curves})
    shaded = any(line.bands is not None for line in findings.lines if task in line.curves)
    return CAPTION.format(
        modes=f"; dashed or dotted: {' and '.join(others)}" if others else "",
        bands=" Published figures: mean, lowest and highest seed." if shaded else "",
        episodes=f"{' or '.join(episodes)} episodes per evaluation, " if episodes else "",
        seeds=" or ".join(map(str, seeds)),
    )


def draw(findings: Findings, task: str) -> Figure:
    """Draw one task."""
    rows, styles = data(findings, task), theme.styles(findings.lines)
    (metric,) = rows["metric"].unique()
    with mpl.rc_context(theme.RC):
        figure = theme.figure()
        axes = figure.add_subplot()
        scale, unit = theme.step_unit(int(rows["env_step"].max()))
        for line in findings.lines:
            if task in line.curves and line.bands is not None:
                bands = findings.task_curves
                chosen = bands[(bands["line"] == line.label) & (bands["task"] == task)]
                _draw_bands(axes, chosen, styles[line.label], scale)
            elif task in line.curves:
                _draw_line(axes, rows[rows["line"] == line.label], styles[line.label], scale)
        axes.set_title(task)
        axes.set_xlabel(f"environment steps ({unit})")
        axes.set_ylabel(_LABELS.get(metric, metric))
        axes.set_ylim(bottom=0, top=1.05 if metric == "success" else None)
        figure.legend(loc="outside upper left", fontsize=6)
        theme.caption(figure, caption(findings, task))
        return figure


def _draw_bands(axes: Axes, rows: pd.DataFrame, style: Style, scale: int) -> None:
    """A line whose single seeds are not known all along."""
    x = rows["env_step"] / scale
    axes.fill_between(
        x, rows["low"], rows["high"], color=style.colour, alpha=theme.SHADE, linewidth=0
    )
    seeds = rows["seeds"].max()
    axes.plot(
        x, rows["value"], color=style.colour, linestyle=style.dash, linewidth=1.8,
        marker="o", markersize=3, label=f"{style.name} ({seeds} seeds)",
    )  # fmt: skip


def _draw_line(axes: Axes, rows: pd.DataFrame, style: Style, scale: int) -> None:
    """One line: its headline mode and, dashed, its other modes."""
    for mode, of_mode in rows.groupby("mode", sort=False):
        headline = bool(of_mode["headline"].iloc[0])
        seeds = [seed for _, seed in of_mode.sort_values("env_step").groupby("seed")]
        steps = [seed["env_step"].to_numpy(np.int64) for seed in seeds]
        values = [seed["value"].to_numpy(np.float64) for seed in seeds]
        if headline and len(seeds) > 1:
            for x, y in zip(steps, values, strict=True):
                axes.plot(x / scale, y, color=style.colour, alpha=0.35, linewidth=0.8)
        x, y = mean_curve(steps, values)
        axes.plot(
            x / scale,
            y,
            color=style.colour,
            linewidth=1.8 if headline else 1.0,
            linestyle=style.dash if headline else _DASHES.get(str(mode), "-."),
            marker="o" if headline else None,
            markersize=3,
            label=", ".join(filter(None, [style.name, str(mode)]))
            + f" ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})",
        )
