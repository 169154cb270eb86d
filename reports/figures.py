"""Figures as files: SVG, PNG, PDF and the numbers it shows as CSV.

A figure is a module with ``draw(findings)``, ``data(findings)``, ``caption(findings)`` and `NEEDS`,
what is missing where `data` is empty. With ``PER_TASK = True`` all three take a task, too, and
there is a figure for each.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdmpc2_bench import reports
from tdmpc2_bench.reports import tabular, theme
from tdmpc2_bench.reports.findings import Findings

FEW_TASKS = 12  # up to which figures of single tasks are drawn unasked


@dataclass(frozen=True)
class Drawing:
    """A figure, drawn."""

    name: str  # of its files
    title: str
    caption: str
    task: str  # that it is of alone, or ""
    files: Mapping[str, bytes] = field(repr=False)  # by ending: svg, png, pdf, csv


def drawings(findings: Findings, names: Sequence[str], *, skipped: list[str]) -> Iterator[Drawing]:
    """Draw figures one by one.

    Args:
        findings: what to show.
        names: of `reports.FIGURES`; none: all, and those of single tasks only while these are few.
        skipped: is told which have nothing to show, and why.
    """
    for name in names or reports.FIGURES:
        figure = importlib.import_module(f"tdmpc2_bench.reports.{name}")
        if not getattr(figure, "PER_TASK", False):
            found = _drawn(figure, name, findings)
            if found is None:
                skipped.append(f"{name}: {figure.NEEDS}")
            else:
                yield found
        elif names or len(findings.tasks) <= FEW_TASKS:
            for task in findings.tasks:
                found = _drawn(figure, f"{name}-{_file_name(task)}", findings, task)
                if found is not None:
                    yield found
        else:
            count = len(findings.tasks)
            skipped.append(
                f"{name}: there is one for each of {count} tasks; --only {name} draws them"
            )


def _drawn(figure: Any, name: str, findings: Findings, *part: str) -> Drawing | None:
    """One figure, or None where it has nothing to show; ``figure`` is its module."""
    data = figure.data(findings, *part)
    if data.empty:
        return None
    files = theme.pictures(figure.draw(findings, *part))
    (title, *_) = (figure.__doc__ or name).partition("\n")
    if part:
        title = f"{part[0]}: learning curve"
    csv = tabular.csv(data).encode()
    caption = figure.caption(findings, *part)
    return Drawing(name, title.rstrip("."), caption, "".join(part), {**files, "csv": csv})


def _file_name(task: str) -> str:
    """A task's name as a part of a file's: "gym:Hopper-v5" has a sign that some systems refuse."""
    return "".join(sign if sign.isalnum() or sign in "-_.=" else "_" for sign in task)
