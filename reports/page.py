"""Writing a report: every figure as PNG and SVG with the data it shows beside it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

from tdmpc2_bench import record, results
from tdmpc2_bench.reports import curves, theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(root: Path) -> list[Path]:
    """Draw the learning curve of every task of an experiment into ``root/report``.

    Args:
        root: the experiment's folder.

    Returns:
        The files written.

    Raises:
        UsageError: there are no cells.
        DamagedFile: a result cannot be read.
    """
    table = results.load(root)
    folder = root / "report"
    folder.mkdir(exist_ok=True)
    written = []
    for task, rows in table.groupby("task"):
        data = {"csv": rows.to_csv(index=False).encode(), **_pictures(curves.draw(rows))}
        for suffix, content in data.items():
            path = folder / f"curve-{task}.{suffix}"
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
