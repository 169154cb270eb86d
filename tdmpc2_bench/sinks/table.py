"""CSV: two tables that any tool can read, a row per evaluation episode and per training episode."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tdmpc2_bench import record, spreadsheet
from tdmpc2_bench.results import EPISODE_COLUMNS, by_episode

if TYPE_CHECKING:
    from tdmpc2_bench.sinks import Sink
    from tdmpc2_bench.sinks.curves import Point, Source

_CELL_COLUMNS = ("agent", "variant", "task", "suite", "seed")
_PLACE_COLUMNS = ("env_step", "agent_step")
_EVALS_COLUMNS = (*_CELL_COLUMNS, *_PLACE_COLUMNS, "mode", "episode", *EPISODE_COLUMNS)
_TRAIN_COLUMNS = (*_CELL_COLUMNS, *_PLACE_COLUMNS)  # and what else the lines of the logs hold
_LINE_FORMAT = {"v", "seq"}  # of the logs, of no use in a table


@contextmanager
def sink(out: Path) -> Iterator[Sink]:
    """``evals.csv`` and ``train.csv`` in ``out``, for all cells together."""
    out.mkdir(parents=True, exist_ok=True)
    spool = partial(tempfile.TemporaryFile, "w+", encoding="utf-8", newline="", dir=out)
    with spool() as evals_rows, spool() as train_rows:
        evals = _Table(evals_rows, _EVALS_COLUMNS)
        train = _Table(train_rows, _TRAIN_COLUMNS)
        yield partial(_Rows, evals, train)
        record.write_file(out / "evals.csv", evals.lines())
        record.write_file(out / "train.csv", train.lines())


class _Rows:
    """The rows of one cell."""

    def __init__(self, evals: _Table, train: _Table, source: Source) -> None:
        self._evals, self._train = evals, train
        cell = source.cell
        names = (cell.agent, cell.variant, cell.task, source.identity["suite"], cell.seed)
        self._cell = dict(zip(_CELL_COLUMNS, names, strict=True))

    def write(self, point: Point) -> None:
        row = point.row
        if point.log == "train":
            kept = {name: value for name, value in row.items() if name not in _LINE_FORMAT}
            self._train.add({**kept, **self._cell})
            return
        evaluation = {name: row[name] for name in (*_PLACE_COLUMNS, "mode")}
        for episode, values in enumerate(by_episode(row)):
            found = dict(zip(EPISODE_COLUMNS, values, strict=True))
            self._evals.add({**self._cell, **evaluation, "episode": episode, **found})

    def close(self) -> None:
        pass


class _Table:
    """Rows that may bring new columns; kept in a file, since they may be many."""

    def __init__(self, rows: IO[str], columns: Iterable[str]) -> None:
        self._rows = rows
        self._columns = dict.fromkeys(columns)  # keys only, in the order of their coming

    def add(self, row: Mapping[str, Any]) -> None:
        self._columns |= dict.fromkeys(row)
        self._rows.write(_line([_text(row.get(name)) for name in self._columns]))

    def lines(self) -> Iterator[bytes]:
        """The table as CSV, now that its columns are known."""
        yield _line([_text(name) for name in self._columns]).encode()
        self._rows.seek(0)
        for row in csv.reader(self._rows):
            missing = len(self._columns) - len(row)
            yield _line([*row, *[""] * missing]).encode()


def _text(value: Any) -> str:  # a JSON value
    """A table's cell."""
    if isinstance(value, str):
        return spreadsheet.cell(value)
    return "" if value is None else str(value)


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
