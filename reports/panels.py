"""What several figures share: panels per group of tasks, lines with bands, legends, notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tdmpc2_bench.reports import theme
from tdmpc2_bench.reports.findings import ENOUGH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tdmpc2_bench.reports.findings import Findings
    from tdmpc2_bench.reports.theme import Style

_COLUMNS = 4
_PANEL = (2.6, 2.2)  # inches


def per_group(
    groups: Sequence[str],
    *,
    columns: int = _COLUMNS,
    width: float = _PANEL[0],
    height: float = _PANEL[1],
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel per group of tasks, each with its name above it."""
    columns = min(columns, max(len(groups), 1))
    rows = math.ceil(len(groups) / columns)
    figure = theme.figure(max(width * columns, 5.0), height * rows + 1.1)
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(len(groups))]
    for axes, group in zip(panels, groups, strict=True):
        axes.set_title(theme.group_name(group))
    return figure, panels


def followed(axes: Axes, x: pd.Series, rows: pd.DataFrame, style: Style) -> None:
    """A line with its band: ``value`` between ``low`` and ``high``."""
    axes.fill_between(
        x, rows["low"], rows["high"], color=style.colour, alpha=theme.SHADE, linewidth=0
    )
    few = len(rows) < 12  # noqa: PLR2004 - points so far apart are shown as points
    axes.plot(
        x,
        rows["value"],
        color=style.colour,
        linestyle=style.dash,
        marker="o" if few else None,
        markersize=3,
        label=style.name,
    )


def steps_axis(axes: Axes, largest: float) -> int:
    """Name the axis of environment steps; what to divide steps by on it."""
    scale, unit = theme.step_unit(int(largest))
    axes.set_xlabel(f"environment steps ({unit})")
    return scale


def legend(figure: Figure, styles: Iterable[Style], *, fontsize: float = 8) -> None:
    """One legend above all panels, in as many columns as fit."""
    from matplotlib.lines import Line2D

    shown = list(styles)
    handles = [Line2D([], [], color=one.colour, linestyle=one.dash, linewidth=2) for one in shown]
    names = [one.name for one in shown]
    widest = max((len(name) for name in names), default=1) + 8
    room = figure.get_figwidth() * 72 / (fontsize * 0.55)
    columns = max(1, min(len(names), int(room // widest)))
    figure.legend(handles, names, loc="outside upper left", ncols=columns, fontsize=fontsize)


def drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of lines that have enough of the tasks of their group to stand beside the others."""
    return rows[rows["tasks"] >= ENOUGH * rows["of_tasks"]]


def note(findings: Findings, rows: pd.DataFrame) -> str:
    """Sentences on lines that rest on fewer tasks than others, or are left out for that."""
    styles = theme.styles(findings.lines)
    few = rows[rows["tasks"] < rows["of_tasks"]].drop_duplicates(["line", "group"])
    texts = []
    for whole, words in ((False, "Not drawn for lack of tasks"), (True, "Fewer tasks")):
        part = few[(few["tasks"] >= ENOUGH * few["of_tasks"]) == whole]
        facts = [
            f"{styles[str(line)].name} in {theme.group_name(str(group))} ({tasks} of {of})"
            for line, group, tasks, of in zip(
                part["line"], part["group"], part["tasks"], part["of_tasks"], strict=True
            )
        ]
        texts += [f"{words}: {_listed(facts)}."] if facts else []
    return " ".join(texts)


def _listed(facts: Sequence[str], most: int = 3) -> str:
    more = len(facts) - most
    return ", ".join(facts[:most]) + (f" and {more} more" if more > 0 else "")


def bands(findings: Findings) -> str:
    """What the bands and bars of aggregates are."""
    return f"Bands: {findings.method}."


def names_of(rows: pd.DataFrame, column: str) -> list[str]:
    """Values of a column in the order of their coming."""
    return [str(value) for value in rows[column].unique()]


def finite_max(values: pd.Series, otherwise: float = 1.0) -> float:
    """The largest number of a column."""
    found = values[np.isfinite(values)]
    return float(found.max()) if len(found) else otherwise
