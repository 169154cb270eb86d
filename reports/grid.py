"""All tasks side by side: a small learning curve for each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from tdmpc2_bench.reports import by_task, panels, theme
from tdmpc2_bench.reports.findings import span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings
    from tdmpc2_bench.reports.theme import Style

CAPTION = (
    "Every task: normalised score against {unit} of environment steps, mean over seeds. "
    "Bands: {bands}. {tasks} tasks, {seeds} seeds."
)
NEEDS = "nothing was evaluated"
_COLUMNS = 8
_PANEL = (1.62, 1.32)  # inches
_NAME = 24  # characters of a task's name


def data(findings: Findings) -> pd.DataFrame:
    """Line, task, metric, env_step, value, low, high, band, seeds, top (what is a score of 1)."""
    return findings.task_curves


def caption(findings: Findings) -> str:
    """What the figure shows."""
    rows = findings.task_curves
    low, high = rows["seeds"].min(), rows["seeds"].max()
    return CAPTION.format(
        unit=theme.step_unit(int(rows["env_step"].max()))[1],
        bands=band_words(rows),
        tasks=rows["task"].nunique(),
        seeds=span(low, high),
    )


def band_words(rows: pd.DataFrame) -> str:
    """What the bands of single tasks are, in words."""
    kinds = panels.names_of(rows, "band")
    few = f"lowest to highest seed, a description (fewer than {by_task.SEEDS_FOR_INTERVALS} seeds)"
    return "; ".join(few if kind == by_task.MIN_MAX else kind for kind in kinds)


def draw(findings: Findings) -> Figure:
    """As many panels as tasks, in the benchmark's order."""
    styles = theme.styles(findings.lines)
    of_task = dict(iter(findings.task_curves.groupby("task", sort=False)))
    tasks = [task for task in findings.tasks if task in of_task]
    scale, _ = theme.step_unit(int(findings.task_curves["env_step"].max()))
    columns = min(_COLUMNS, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    small: dict[Any, Any] = {  # Any, as in the theme
        "font.size": 6,
        "axes.titlesize": 6.5,
        "axes.linewidth": 0.5,
        "lines.linewidth": 1.0,
    }
    with mpl.rc_context({**theme.RC, **small}):
        figure, places = _laid_out(columns, rows)
        for place, task in enumerate(tasks):
            axes = figure.add_axes(places[place])
            _panel(axes, of_task[task], styles, scale)
            axes.set_title(theme.shortened(task, _NAME), pad=2)
            if place % columns:
                axes.set_yticklabels([])
        top = 1 - 0.12 / figure.get_figheight()
        panels.legend(figure, [styles[label] for label in findings.labels])
        figure.legends[0].set_loc("upper left")
        figure.legends[0].set_bbox_to_anchor((0.03, top + 0.005))
        theme.caption(figure, caption(findings))
        return figure


def _laid_out(columns: int, rows: int) -> tuple[Figure, list[tuple[float, float, float, float]]]:
    """A figure and where its panels lie, by hand: a layout engine takes minutes for a hundred."""
    width = max(_PANEL[0] * columns + 0.5, 5.0)
    height = _PANEL[1] * rows + 1.0
    figure = theme.figure(width, height)
    figure.set_layout_engine("none")
    left, top = 0.4 / width, 1 - 0.55 / height
    wide, high = (width - 0.5) / columns / width, _PANEL[1] / height
    places = [
        (left + place % columns * wide, top - (place // columns + 1) * high + 0.27 / height,
         wide * 0.86, high - 0.42 / height)
        for place in range(columns * rows)
    ]  # fmt: skip
    return figure, places


def _panel(axes: Axes, rows: pd.DataFrame, styles: dict[str, Style], scale: int) -> None:
    for label, part in rows.groupby("line", sort=False):
        style, top = styles[str(label)], part["top"].iloc[0]
        divisor = top if np.isfinite(top) else 1.0
        x = part["env_step"] / scale
        axes.fill_between(
            x, part["low"] / divisor, part["high"] / divisor,
            color=style.colour, alpha=theme.SHADE, linewidth=0,
        )  # fmt: skip
        alone = "o" if len(part) == 1 else ""  # a line needs two points
        axes.plot(
            x, part["value"] / divisor, color=style.colour, linestyle=style.dash, marker=alone,
            markersize=3,
        )  # fmt: skip
    if rows["top"].notna().all():
        axes.set_ylim(-0.02, 1.05)
        axes.set_yticks([0, 0.5, 1])
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(length=2, width=0.5, pad=1.5)
