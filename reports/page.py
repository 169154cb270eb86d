"""Writing a report: every figure as PNG and SVG with the data it shows beside it."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

from tdmpc2_bench import index, record
from tdmpc2_bench.reports import theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("curves",)  # modules with draw(rows of one task), in the order they are drawn


def write(root: Path) -> list[Path]:
    """Draw every figure for every task of an experiment into ``root/report``.

    Args:
        root: the experiment's folder.

    Returns:
        The files written.

    Raises:
        UsageError: there are no cells.
        DamagedFile: a result cannot be read.
    """
    table = index.load(root)
    folder = root / "report"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise record.cannot_write(folder, error) from error
    written = []
    for name in FIGURES:
        figure = importlib.import_module(f"tdmpc2_bench.reports.{name}")
        for task, rows in table.groupby("task"):
            data = {"csv": rows.to_csv(index=False).encode(), **_pictures(figure.draw(rows))}
            for suffix, content in data.items():
                path = folder / f"{name}-{task}.{suffix}"
                record.write_file(path, content)
                written.append(path)
    return written


def _pictures(figure: Figure) -> dict[str, bytes]:
    pictures = {}
    with mpl.rc_context(theme.RC):
        for suffix, metadata in theme.METADATA.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, metadata=metadata)
            pictures[suffix] = buffer.getvalue()
    return pictures
