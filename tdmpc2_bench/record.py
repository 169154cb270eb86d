"""How facts reach the disk: lines that check themselves, and files that appear whole.

A log is a file of JSON lines, each with a version, a sequence number and a checksum; it is only
ever appended to. Everything else is written beside its place and moved there when complete.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tdmpc2_bench.errors import BenchError, DamagedFile

VERSION = 1  # of the line format
_LOGGER = logging.getLogger(__name__)
_CRC = b',"crc":"'


class Log:
    """An append-only file of JSON lines, open for writing by its one owner."""

    def __init__(self, path: Path) -> None:
        """Create the file; it must not exist yet."""
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._seq = 0
        self.offset = 0  # bytes written so far

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one line; durable after the next `sync`.

        Raises:
            BenchError: the disk is full.
        """
        line = encode_line({"v": VERSION, "seq": self._seq, **row})
        try:
            write_all(self._fd, line)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._seq += 1
        self.offset += len(line)

    def sync(self) -> None:
        """Make all lines so far durable."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def close(self) -> None:
        """Make all lines durable and close the file."""
        try:
            self.sync()
        finally:
            os.close(self._fd)


class Lines(NamedTuple):
    """What a log holds."""

    rows: list[dict[str, Any]]
    torn: bool  # the last line was cut short by a crash and is left out


def read_log(path: Path, *, stop: int | None = None) -> Lines:
    """Read a log up to byte ``stop``.

    Raises:
        DamagedFile: a line before the last one does not check, or the file ends before ``stop``.
    """
    data = path.read_bytes() if path.exists() else b""
    if stop is not None:
        if len(data) < stop:
            msg = f"{path} has {len(data)} bytes, but {stop} were recorded: it was cut short"
            raise DamagedFile(msg)
        data = data[:stop]
    rows: list[dict[str, Any]] = []
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines):
        row = decode_line(line)
        if row is None and number == len(lines) - 1 and stop is None:
            _LOGGER.warning("%s: the last line was cut short by a crash and is left out", path)
            return Lines(rows, torn=True)
        if row is None or row.get("seq") != number:
            raise _damaged(path, number)
        rows.append(row)
    return Lines(rows, torn=False)


class Tail:
    """A log that is read while its owner still writes it."""

    def __init__(self, path: Path) -> None:
        """From its beginning; it need not exist yet."""
        self._path = path
        self._offset = 0  # bytes read so far
        self._seq = 0  # number of the next line

    def rows(self) -> list[dict[str, Any]]:
        """Rows written since the last call; a line that is not whole yet is left for the next.

        Raises:
            DamagedFile: a whole line does not check.
        """
        rows: list[dict[str, Any]] = []
        for line in self._new().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            row = decode_line(line)
            if row is None or row.get("seq") != self._seq:
                raise _damaged(self._path, self._seq)
            rows.append(row)
            self._offset += len(line)
            self._seq += 1
        return rows

    def _new(self) -> bytes:
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            return file.read()


def encode_line(row: Mapping[str, Any]) -> bytes:
    """One JSON line ending in a checksum of all before it; not-a-number becomes null."""
    body = json.dumps(_plain(row), separators=(",", ":"), allow_nan=False).encode()[:-1]
    return body + _CRC + b"%08x" % zlib.crc32(body) + b'"}\n'


def decode_line(line: bytes) -> dict[str, Any] | None:
    """The row of a line that `encode_line` wrote, or None where the line does not check."""
    body, found, tail = line.rpartition(_CRC)
    if not found or tail != b'%08x"}\n' % zlib.crc32(body):
        return None
    row: dict[str, Any] = json.loads(body + b"}")
    return row


def write_file(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file that appears whole or not at all, durably.

    Args:
        path: where.
        data: its content, at once or in parts.

    Raises:
        BenchError: the disk is full or the folder cannot be written; what stood there before
            is intact.
    """
    temporary = path.with_name(f".{path.name}.tmp-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as readable JSON, whole or not at all."""
    write_file(path, json_text(content))


def json_text(content: Mapping[str, Any]) -> bytes:
    """Readable JSON; not-a-number becomes null."""
    return json.dumps(_plain(content), indent=1, allow_nan=False).encode() + b"\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DamagedFile: it is missing or does not parse.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as JSON: {error}"
        raise DamagedFile(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: expected a JSON object, found a {type(content).__name__}"
        raise DamagedFile(msg)
    return content


def publish_folder(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Create ``folder`` with ``files`` in it, all at once, for exactly one of several callers.

    Returns:
        False if the folder exists already; nothing is changed then.
    """
    temporary = folder.parent / f".{folder.name}.tmp-{uuid.uuid4().hex}"
    try:
        temporary.mkdir(parents=True)
        for name, data in files.items():
            write_file(temporary / name, data)
        # Renaming onto a folder that is not empty fails, on NFS too: one caller wins.
        os.rename(temporary, folder)  # noqa: PTH104 - Path.rename hides which of the two failed
    except (OSError, BenchError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if folder.exists():
            return False
        if isinstance(error, BenchError):
            raise
        raise cannot_write(folder, error) from error
    try:
        sync_folder(folder.parent)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return True


def remove_temporaries(folder: Path, *, of: str = "*") -> None:
    """Remove what interrupted writes of ``of`` left directly in ``folder``: ours alone."""
    for path in folder.glob(f".{of}.tmp-*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``: a single os.write may take less."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def cannot_write(path: Path, error: OSError) -> BenchError:
    """Word a failed write: which path, why, and how much room there is."""
    place = next(p for p in path.absolute().parents if p.exists())
    free = shutil.disk_usage(place).free / 2**20
    return BenchError(f"cannot write {path}: {error.strerror} ({free:.0f} MiB free there)")


def _damaged(path: Path, number: int) -> DamagedFile:
    """Word what is wrong with a line, the first of which has the number 0."""
    return DamagedFile(
        f"{path}: line {number + 1} is damaged (its checksum or number does not fit)"
    )


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one line per kind of value
    """The value with numpy types made plain and numbers that are not finite made null."""
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case np.ndarray():
            return _plain(value.tolist())
        case str() | bool() | int() | None:
            return value
        case np.generic():
            return _plain(value.item())
        case float():
            return value if math.isfinite(value) else None
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            return str(value)
