"""All cells of an experiment as one long table, quickly: a derived index of what was read before.

``index.parquet`` in the experiment's folder holds the rows of every cell beside the sizes and times
of the files that they were read from. Cells whose files have changed are read anew; the index may
be deleted at any time.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import longtable, record, results, status
from tdmpc2_bench.celldir import CellDir
from tdmpc2_bench.errors import BenchError, DamagedFile

if TYPE_CHECKING:
    import pandas as pd

_VERSION = 1  # of the index; raised whenever rows are read differently
_CELL = "cell"  # column of the index alone: the cell's folder within the experiment
_META = b"tdmpc2_bench"  # the key of ours in the file's metadata
# Files of an attempt that change while it runs without changing its rows.
_IRRELEVANT = {"heartbeat", "output.txt", "train.jsonl"}
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """What an experiment's cells have found."""

    table: pd.DataFrame  # see `longtable`
    problems: tuple[str, ...]  # of cells that are left out, since they cannot be read
    pending: tuple[status.CellStatus, ...]  # cells that have begun but not been evaluated yet


def load(root: str | Path) -> pd.DataFrame:
    """Evaluations of all cells below an experiment's folder, one row per evaluation and mode.

    The columns are those of `longtable`. A cell that cannot be read is left out with a warning.

    Raises:
        UsageError: there are no cells.
        DamagedFile: none of them can be read.
    """
    found = survey(root)
    for problem in found.problems:
        _LOGGER.warning("left out: %s", problem)
    return found.table


def survey(root: str | Path) -> Survey:
    """As `load`, beside what is not in the table.

    Raises:
        UsageError: there are no cells.
        DamagedFile: none of them can be read.
    """
    folder = Path(root)
    cells = {str(cell.path.relative_to(folder)): cell for cell in results.cells(folder)}
    signatures = {name: _signature(cell) for name, cell in cells.items()}
    path = folder / "index.parquet"
    known, kept = _read(path)
    fresh = {name for name in cells if known.get(name) == signatures[name]}
    read, problems = _rows_of(cells, cells.keys() - fresh)
    if len(problems) == len(cells):
        raise DamagedFile("\n".join(problems.values()))
    table = _joined(kept, fresh, read)
    readable = {name: signatures[name] for name in cells if name in fresh or name in read}
    if readable != known:
        _write(path, readable, table)
    table, pending = _with_status(table, cells, problems)
    return Survey(table, tuple(problems.values()), pending)


def _signature(cell: CellDir) -> str:
    """Sizes and times of the files that a cell's rows follow from."""
    digest = hashlib.sha256()
    for entry in sorted(os.scandir(cell.path), key=lambda e: e.name):
        inner = [entry] if entry.is_file() else []
        if entry.name.startswith("attempt-"):
            inner = sorted(os.scandir(entry), key=lambda e: e.name)
        for file in inner:
            if file.name not in _IRRELEVANT and file.is_file():
                stat = file.stat()
                fact = f"{entry.name}/{file.name} {stat.st_size} {stat.st_mtime_ns}\n"
                digest.update(fact.encode())
    return digest.hexdigest()[:24]


def _rows_of(
    cells: Mapping[str, CellDir], names: Iterable[str]
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """The rows of some cells by name, and what is wrong with those that cannot be read."""
    read, problems = {}, {}
    for name in sorted(names):
        try:
            read[name] = results.rows(cells[name])
        except (DamagedFile, OSError) as error:
            problems[name] = f"{cells[name].cell}: {error}"
    return read, problems


def _joined(
    kept: pd.DataFrame | None, fresh: set[str], read: Mapping[str, list[dict[str, Any]]]
) -> pd.DataFrame:
    """Rows of the index that still hold, and those just read, by cell."""
    import pandas as pd

    new = longtable.build(row for rows in read.values() for row in rows)
    new[_CELL] = [name for name, rows in read.items() for _ in rows]
    if kept is not None and len(fresh):
        kept = kept[kept[_CELL].isin(fresh)]
        if not len(new):
            return kept.reset_index(drop=True)
        new = pd.concat([kept, new])
    return new.sort_values(["agent", "variant", "task", "seed"], kind="stable", ignore_index=True)


def _with_status(
    table: pd.DataFrame, cells: Mapping[str, CellDir], problems: Mapping[str, str]
) -> tuple[pd.DataFrame, tuple[status.CellStatus, ...]]:
    """The table with the present status of unfinished cells; and the cells that have no rows."""
    names = table[_CELL]
    table = table.drop(columns=_CELL)
    unfinished = (table["status"] == "").to_numpy()
    now = {name: status.status(cells[name]).status for name in names[unfinished].unique()}
    table.loc[unfinished, "status"] = names[unfinished].map(now)
    silent = cells.keys() - set(names.unique()) - problems.keys()
    return table, tuple(status.status(cells[name]) for name in sorted(silent))


def _read(path: Path) -> tuple[dict[str, str], pd.DataFrame | None]:
    """Signatures by cell and rows of the index; nothing where there is none of use."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_table(path)
        about = json.loads((found.schema.metadata or {}).get(_META, b"{}"))
    except (OSError, ValueError, pa.ArrowException):  # missing, or cut short
        return {}, None
    expected = [*longtable.COLUMNS, _CELL]
    if about.get("version") != _VERSION or found.column_names != expected:
        return {}, None
    return about["cells"], found.to_pandas()


def _write(path: Path, signatures: Mapping[str, str], table: pd.DataFrame) -> None:
    """Keep what was read; where that cannot be, it will be read again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.Table.from_pandas(table, preserve_index=False)
    about = json.dumps({"version": _VERSION, "cells": signatures}).encode()
    buffer = io.BytesIO()
    pq.write_table(content.replace_schema_metadata({_META: about}), buffer, compression="zstd")
    try:
        record.write_file(path, buffer.getvalue())
    except BenchError as error:
        _LOGGER.info("without an index: %s", error)
