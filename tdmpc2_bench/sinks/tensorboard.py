"""TensorBoard: an event file per cell."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Needs neither torch nor tensorflow, and starts no thread.
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter

from tdmpc2_bench.celldir import CellDir

if TYPE_CHECKING:
    from tdmpc2_bench.sinks import Sink
    from tdmpc2_bench.sinks.curves import Point, Source

_FILE = "events.out.tfevents"  # TensorBoard reads files whose names hold the second word


@contextmanager
def sink(out: Path) -> Iterator[Sink]:
    """Event files in ``out/<agent>/<variant>/<task>/<seed>/``."""
    yield functools.partial(_EventFile, out)


class _EventFile:
    """The event file of one cell.

    Named after the attempt that it leads up to. The files of earlier attempts are emptied, since
    what still holds of them stands in the new one too: every step is there once.
    """

    def __init__(self, out: Path, source: Source) -> None:
        folder = CellDir.of(out, source.cell).path
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{_FILE}.*"):
            old.write_bytes(b"")  # still there: a TensorBoard that reads it would stumble
        file = (folder / f"{_FILE}.{source.attempt:010}").open("wb")
        self._records = RecordWriter(file)
        self._add(Event(wall_time=source.began, file_version="brain.Event:2"))
        # A TensorBoard that shows an earlier attempt forgets it.
        restarted = SessionLog(status=SessionLog.START)
        self._add(Event(wall_time=source.began, session_log=restarted))

    def write(self, point: Point) -> None:
        event = Event(wall_time=point.seconds, step=point.env_step)
        for name, value in point.scalars.items():
            event.summary.value.add(tag=name, simple_value=value)
        self._add(event)

    def close(self) -> None:
        self._records.close()

    def _add(self, event: Any) -> None:  # its class has no types
        self._records.write(event.SerializeToString())
        self._records.flush()
