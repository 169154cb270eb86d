"""Curves of a whole experiment in a sink, after the fact; or its long table as a file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from tdmpc2_bench import record, results, sinks
from tdmpc2_bench.celldir import CellDir
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.sinks import PARQUET
from tdmpc2_bench.sinks.curves import Curves, Source


def export(
    folder: str | Path,
    *,
    to: str,
    out: str | Path | None = None,
    project: str | None = None,
    online: bool = False,
) -> Path:
    """Show all cells of an experiment in a sink; again, it replaces what it has written before.

    Args:
        folder: the experiment's.
        to: "tensorboard", "wandb", "csv" or "parquet".
        out: where to write; None: the sink's own folder in ``folder/export``.
        project: of Weights & Biases; None: "tdmpc2-bench".
        online: send the runs to Weights & Biases now, which needs a login there; otherwise they
            are files for its ``wandb sync``.

    Returns:
        Where it was written.

    Raises:
        UsageError: there are no cells or no such sink, or its library is not installed.
        DamagedFile: a log cannot be read.
        BenchError: it cannot be written, or the sink's server refuses it.
    """
    if to != PARQUET:
        sinks.check_available(to)
    options: dict[str, Any] = {}
    if project is not None:
        options["project"] = project
    if online:
        options["online"] = True
    if options and to != "wandb":
        msg = f"{' and '.join(options)}: of use with wandb only, not with {to}"
        raise UsageError(msg)
    root = Path(folder)
    if to == PARQUET:
        return _write_table(root, root / "export" if out is None else Path(out))
    cells = results.cells(root)
    # W&B makes a folder of its name by itself.
    place = root / "export" / ("" if to == "wandb" else to) if out is None else Path(out)
    try:
        with sinks.sink(to, place, **options) as sink:
            for cell in cells:
                _show(cell, sink)
    except OSError as error:
        raise record.cannot_write(place, error) from error
    return place


def _write_table(root: Path, folder: Path) -> Path:
    """Write the long table of `index.load`."""
    try:
        from tdmpc2_bench import index

        table = index.load(root)
        folder.mkdir(parents=True, exist_ok=True)
        record.write_file(folder / "table.parquet", table.to_parquet(index=False))
    except ModuleNotFoundError as error:
        msg = f'parquet needs {error.name}; install: pip install "tdmpc2-bench[analysis]"'
        raise UsageError(msg) from error
    except OSError as error:
        raise record.cannot_write(folder, error) from error
    return folder


def _show(cell: CellDir, sink: sinks.Sink) -> None:
    attempt = results.standing(cell)
    if attempt is None:
        return
    events, evals, train = (
        results.read_chain(cell, attempt, log) for log in ("events", "evals", "train")
    )
    if not events:
        return  # it has not begun to write
    began = events[0]["time"]
    with contextlib.closing(sink(Source.of(cell, attempt, began=began))) as curve:
        for point in Curves(began).points(evals=evals, train=train):
            curve.write(point)
