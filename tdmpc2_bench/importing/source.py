"""Reading the files of a source: bounded, as UTF-8 CSV, with the line of whatever is wrong.

Nothing in a file is executed, and no link leads out of the folder that was named.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing.fields import shown

MOST_BYTES = 256 * 2**20  # of one file
_MOST_COLUMNS = 10_000
_MOST_FILES = 20_000


class Unreadable(ValueError):
    """A file, or a line of it, that is no table of values."""

    def __init__(self, message: str, line: int | None = None) -> None:
        """Take what is wrong, and where."""
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source, read."""

    name: str  # its path below the source, or its own name
    data: bytes

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file's columns and the place of its rows."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]  # line number, a text per column


def csv_files(source: Path) -> list[str]:
    """The paths of CSV files in a folder and those below it, hidden ones left out; "/" between.

    Raises:
        UsageError: there are none, or too many.
    """
    paths = (path.relative_to(source) for path in source.rglob("*.csv"))
    found = sorted(p.as_posix() for p in paths if not any(q.startswith(".") for q in p.parts))
    if not 0 < len(found) <= _MOST_FILES:
        msg = (
            f"{source}: expected 1 to {_MOST_FILES:,} CSV files in this folder, got {len(found):,}"
        )
        raise UsageError(msg)
    return found


def read(source: Path, name: str | None = None) -> SourceFile:
    """The source itself, or the file of that name in it.

    Raises:
        Unreadable: it is no plain file within the source, too large, or cannot be read.
    """
    path = source if name is None else source / name
    try:
        if name is not None and not path.resolve().is_relative_to(source.resolve()):
            raise Unreadable("a link that leads out of the folder")
        if not path.is_file():
            raise Unreadable("not a plain file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise Unreadable(msg) from error
    if len(data) > MOST_BYTES:
        msg = f"expected at most {MOST_BYTES // 2**20} MiB; divide it, or thin its evaluations out"
        raise Unreadable(msg)
    return SourceFile(path.name if name is None else name, data)


def table(file: SourceFile) -> Table:
    """A file as a table; rows are read, and found wrong, one by one.

    Raises:
        Unreadable: it is no CSV of UTF-8 text with a line of headings.
    """
    lines = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    rows = _rows(lines)
    first = next(rows, None)
    if first is None:
        raise Unreadable("it is empty: expected a line of column names")
    line, names = first
    columns = tuple(name.strip() for name in names)
    (common, times), *_ = Counter(columns).most_common(1)
    if times > 1 or len(columns) > _MOST_COLUMNS:
        msg = f"expected at most {_MOST_COLUMNS:,} columns, each name once; {shown(common)} is there {times} times"  # noqa: E501
        raise Unreadable(msg, line)
    return Table(columns, _of_width(rows, len(columns)))


def _text(file: SourceFile) -> str:
    try:
        return file.data.decode("utf-8-sig")  # with or without a byte-order mark
    except UnicodeDecodeError as error:
        line = file.data.count(b"\n", 0, error.start) + 1
        msg = f"expected UTF-8 text, got byte 0x{file.data[error.start]:02x}; save it as UTF-8"
        raise Unreadable(msg, line) from error


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:  # Any: csv's type has no public name
    """Rows that are not blank, with their line numbers."""
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            msg = f"not CSV: {error}"
            raise Unreadable(msg, reader.line_num) from error
        if row is None:
            return
        if any(field.strip() for field in row):
            yield reader.line_num, row


def _of_width(rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if len(row) != width:
            msg = f"expected {width} fields, as many as there are column names, got {len(row)}"
            raise Unreadable(msg, line)
        yield line, row
