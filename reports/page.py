"""What does a reader of a comparison see: one HTML file with its tables, figures and curves.

Here is what a `Page` holds and how it becomes text; whoever computes the numbers fills one. The
file needs no network and runs no code but that of page.js, whatever agents and tasks are called:
the template escapes, figures are reduced to shapes, and a content security policy forbids the rest.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tdmpc2_bench.reports import inline_svg

Tone = Literal["good", "bad", "notable", "open"]  # of a verdict: green, red, blue, amber
_WIDE = 560  # points; figures from this width on have a row of the page for themselves


@dataclass(frozen=True)
class Cell:
    """One value of a table."""

    value: str | float | None  # sorted by; None and NaN: missing
    text: str = ""  # shown in its place, if not empty
    detail: str = ""  # shown smaller behind it: an interval, a count
    tone: Tone | None = None  # shown as a verdict

    @property
    def missing(self) -> bool:
        """Is there no value."""
        return self.value is None or (isinstance(self.value, float) and math.isnan(self.value))

    @property
    def key(self) -> str:
        """What page.js sorts by; empty where the value is missing."""
        if self.missing:
            return ""
        if isinstance(self.value, float) and math.isinf(self.value):
            return "Infinity" if self.value > 0 else "-Infinity"
        return str(self.value)

    @property
    def shown(self) -> str:
        """What is read."""
        if self.text or self.missing:
            return self.text or "–"  # noqa: RUF001 - a dash
        return f"{self.value:.4g}" if isinstance(self.value, float) else str(self.value)


@dataclass(frozen=True)
class Column:
    """Head of a column; with a line's label it goes when that line is hidden."""

    label: str
    kind: Literal["text", "number"] = "text"
    help: str = ""  # what the numbers are
    line: str = ""


@dataclass(frozen=True)
class Row:
    """Cells, and what they are about: filters hide rows by it, those without a tag stay."""

    cells: tuple[Cell, ...]
    suite: str = ""
    task: str = ""
    lines: tuple[str, ...] = ()  # labels; the row goes when any of them is hidden


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by every column.

    Raises:
        ValueError: a row has another number of cells than there are columns.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                msg = f"table {self.name!r}: expected {len(self.columns)} cells, got {row.cells}"
                raise ValueError(msg)

    @property
    def detail_widths(self) -> tuple[int, ...]:
        """Characters of each column's longest detail, so that the values before them align."""
        places = range(len(self.columns))
        return tuple(
            max((len(row.cells[i].detail) for row in self.rows), default=0) for i in places
        )


@dataclass(frozen=True)
class LineInfo:
    """A line: what is averaged over seeds and compared with others.

    Raises:
        ValueError: the colour is not of the form #0072B2.
    """

    label: str  # unique in a page
    agent: str
    variant: str
    source: str
    colour: str
    seeds: int
    tasks: int
    revision: str
    fingerprints: tuple[str, ...]
    statuses: tuple[tuple[str, int], ...]  # how many runs ended how

    def __post_init__(self) -> None:
        if not re.fullmatch(r"#[0-9A-Fa-f]{6}", self.colour):
            msg = f"line {self.label!r}: expected a colour like #0072B2, got {self.colour!r}"
            raise ValueError(msg)


@dataclass(frozen=True)
class FigureItem:
    """A figure, shown as it is drawn."""

    name: str
    title: str
    svg: str  # the SVG file's text
    caption: str
    files: tuple[str, ...] = ()  # paths relative to the page


@dataclass(frozen=True)
class SeedCurve:
    """One seed's values at its environment steps; NaN: none."""

    seed: int
    steps: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True)
class LineCurve:
    """One line's curve in one task; all sequences are as long as ``steps``; NaN: none.

    Raises:
        ValueError: they are not.
    """

    label: str
    steps: Sequence[int]
    mean: Sequence[float]
    low: Sequence[float]  # of the band
    high: Sequence[float]
    seeds: tuple[SeedCurve, ...] = ()

    def __post_init__(self) -> None:
        for values in (self.mean, self.low, self.high):
            if len(values) != len(self.steps):
                msg = f"curve of {self.label!r}: {len(self.steps)} steps, {len(values)} values"
                raise ValueError(msg)
        for one in self.seeds:
            if len(one.values) != len(one.steps):
                msg = f"seed {one.seed} of {self.label!r}: steps and values differ in number"
                raise ValueError(msg)


@dataclass(frozen=True)
class TaskCurves:
    """The learning curves of a task."""

    task: str
    suite: str
    metric: str  # "return" or "success"
    unit: str  # the value axis in words
    lines: tuple[LineCurve, ...]
    band: str  # what the band is, for instance "min to max of 3 seeds"


@dataclass(frozen=True)
class Page:
    """All that a page shows, in its order.

    Raises:
        ValueError: two lines share a label, or something refers to a label that no line has.
    """

    title: str
    subtitle: str  # the command that made it
    notes: tuple[str, ...]  # how intervals were computed: seed, resamples, level
    warnings: tuple[str, ...] = ()
    lines: tuple[LineInfo, ...] = ()
    summary: tuple[Table, ...] = ()
    verdicts: tuple[Table, ...] = ()
    figures: tuple[FigureItem, ...] = ()
    curves: tuple[TaskCurves, ...] = ()
    tables: tuple[Table, ...] = ()
    provenance: tuple[Table, ...] = ()

    def __post_init__(self) -> None:
        if len(self.places) != len(self.lines):
            msg = f"expected lines with labels of their own, got {[o.label for o in self.lines]}"
            raise ValueError(msg)
        used = [curve.label for task in self.curves for curve in task.lines]
        used += [label for row in self.rows for label in row.lines]
        used += [column.line for one in self.all_tables for column in one.columns if column.line]
        unknown = set(used) - set(self.places)
        if unknown:
            msg = f"expected labels of lines ({', '.join(self.places)}), got {sorted(unknown)}"
            raise ValueError(msg)

    @property
    def places(self) -> dict[str, int]:
        """Each line's place among the lines, by label."""
        return {line.label: place for place, line in enumerate(self.lines)}

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """The tables of all sections."""
        return (*self.summary, *self.verdicts, *self.tables, *self.provenance)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all tables."""
        return tuple(row for table in self.all_tables for row in table.rows)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that curves and rows are of, in the order they come up."""
        named = [*(one.suite for one in self.curves), *(row.suite for row in self.rows)]
        return tuple(dict.fromkeys(filter(None, named)))

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks that curves and rows are of."""
        named = [*(one.task for one in self.curves), *(row.task for row in self.rows)]
        return frozenset(filter(None, named))


def render(page: Page) -> str:
    """The page as the text of one HTML file.

    Raises:
        ValueError: a figure is no SVG.
    """
    script = _asset("page_curves.js") + _asset("page.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.from_string(_asset("page.html")).render(
        page=page,
        places=page.places,
        policy=_policy(script),
        style=Markup(_asset("page.css")),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        drawings=[_drawing(figure, number) for number, figure in enumerate(page.figures)],
        curves=[_as_json(task, page.places) for task in page.curves],
        link=lambda path: f"./{quote(path)}",
    )


def _asset(name: str) -> str:
    return resources.files("tdmpc2_bench.reports").joinpath(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Only this script runs and only what the file holds is shown; figures style by attributes."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _drawing(figure: FigureItem, number: int) -> dict[str, Any]:
    shapes = inline_svg.inline(figure.svg, prefix=f"figure-{number}", label=figure.title)
    width = re.search(r'<svg[^>]*\swidth="([\d.]+)', shapes)
    return {
        "svg": Markup(shapes),  # noqa: S704 - reduced to shapes, its text escaped
        "wide": width is None or float(width[1]) >= _WIDE,
    }


def _as_json(task: TaskCurves, places: dict[str, int]) -> dict[str, Any]:
    """Curves as page.js reads them; a seed evaluated at the line's steps says null for its own."""
    return {
        "unit": task.unit,
        "lines": [
            {
                "line": places[curve.label],
                "steps": list(map(int, curve.steps)),
                **{name: _rounded(getattr(curve, name)) for name in ("mean", "low", "high")},
                "seeds": [
                    {
                        "seed": one.seed,
                        "steps": None if list(one.steps) == list(curve.steps) else _whole(one),
                        "values": _rounded(one.values),
                    }
                    for one in curve.seeds
                ],
            }
            for curve in task.lines
        ],
    }


def _whole(curve: SeedCurve) -> list[int]:
    return [int(step) for step in curve.steps]


def _rounded(values: Sequence[float]) -> list[float | None]:
    """Six digits, more than a screen shows; None for what is no number."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]
