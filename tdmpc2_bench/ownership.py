"""Who may work on a cell: the attempt folder is the claim, its number the fencing token.

A claim is won by creating ``attempt-(N+1)`` and lost when a higher attempt exists. There are no
locks, since network file systems do not keep them; there is no clock in the decision either, only
the owner's process and its heartbeat.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from tdmpc2_bench import record
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import CellBusy, DamagedFile

BEAT_SECONDS = 2.0
STALE_SECONDS = 120.0  # default time a foreign owner's heartbeat must stand still


def identity() -> dict[str, Any]:
    """This process, so that another can tell whether it still lives."""
    pid = os.getpid()
    return {
        "host": _host(),
        "boot": _boot(),
        "pid": pid,
        "process_start": process_start(pid),
        "nonce": uuid.uuid4().hex,
    }


def claim(cell: CellDir, start: Mapping[str, Any], *, number: int) -> AttemptDir:
    """Create attempt ``number`` with ``start`` and this process's identity as its start.json.

    Raises:
        CellBusy: another process created it first.
    """
    attempt = cell.attempt(number)
    content = record.encode_line({**start, **identity()})
    if not record.publish_folder(attempt.path, {attempt.start.name: content}):
        msg = f"{cell.cell} is being worked on: another process just began attempt {number}"
        raise CellBusy(msg)
    # Temporaries of those who lost, or crashed while claiming. Theirs can no longer win.
    record.remove_temporaries(cell.path.parent, of=cell.path.name)
    for folder in (cell.path, *cell.path.glob("attempt-*/"), *cell.path.glob("attempt-*/*/")):
        record.remove_temporaries(folder)
    return attempt


def read_start(attempt: AttemptDir) -> dict[str, Any]:
    """Who began the attempt and what it continues.

    Raises:
        DamagedFile: it does not check.
    """
    try:
        row = record.decode_line(attempt.start.read_bytes())
    except OSError as error:
        msg = f"{attempt.start} cannot be read: {error.strerror}"
        raise DamagedFile(msg) from error
    if row is None:
        msg = f"{attempt.start} is damaged (its checksum does not fit)"
        raise DamagedFile(msg)
    return row


def superseded(cell: CellDir, attempt: AttemptDir) -> bool:
    """Whether a higher attempt exists, so that this one must write nothing more of weight."""
    return cell.attempts()[-1].number > attempt.number


def wait_until_free(
    attempt: AttemptDir,
    *,
    stale_seconds: float = STALE_SECONDS,
    give_up: Callable[[], bool] = lambda: False,
) -> None:
    """Return once the owner of ``attempt`` is certainly gone.

    At once when it said goodbye, or ran on this machine and its process is gone; on another
    machine, when its heartbeat stood still for ``stale_seconds`` of our own monotonic clock.

    Args:
        attempt: the attempt to take over from.
        stale_seconds: how long a foreign owner may be silent.
        give_up: looked at while waiting.

    Raises:
        CellBusy: the owner lives, or we gave up waiting.
    """
    if _ended(attempt):
        return
    owner = read_start(attempt)
    here = owner["host"] == _host() and owner["boot"] == _boot()
    name = (
        f"attempt {attempt.number} of {attempt.path.parent} (pid {owner['pid']} on {owner['host']})"
    )
    if here:
        if _lives(owner):
            msg = f"{name} is running"
            raise CellBusy(msg)
        return
    before = _beat(attempt)
    deadline = time.monotonic() + stale_seconds
    while time.monotonic() < deadline:
        if give_up():
            msg = f"{name} may be running; stopped before it was known"
            raise CellBusy(msg)
        time.sleep(min(1.0, stale_seconds))
        if _beat(attempt) != before:
            msg = f"{name} is running"
            raise CellBusy(msg)


def runs_here(attempt: AttemptDir) -> bool | None:
    """Whether the owner lives; None where it ran on another machine and cannot be asked."""
    if _ended(attempt):
        return False
    owner = read_start(attempt)
    if owner["host"] != _host():
        return None
    return bool(owner["boot"] == _boot()) and _lives(owner)


def _lives(owner: Mapping[str, Any]) -> bool:
    """Whether an owner that ran on this machine since it was started still does."""
    start = process_start(owner["pid"])
    return start is not None and start == owner["process_start"]


class Heartbeat:
    """A thread that keeps raising the attempt's counter and shows its progress beside it."""

    def __init__(self, attempt: AttemptDir) -> None:
        """Begin to beat."""
        self._path = attempt.heartbeat
        self._beat = 0
        self._stop = threading.Event()
        self.progress: dict[str, Any] = {}  # replaced as a whole by the runner
        self._write()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._write()

    def _write(self, *, ended: bool = False) -> None:
        self._beat += 1
        temporary = self._path.with_name(f".{self._path.name}.tmp-beat")
        content = {"beat": self._beat, "ended": ended, **self.progress}
        try:  # not durable on purpose: only its change while we live means anything
            temporary.write_bytes(record.encode_line(content))
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)  # a full disk is for the checkpoint to report

    def stop(self) -> None:
        """End the thread and say goodbye."""
        self._stop.set()
        self._thread.join()
        self._write(ended=True)


def read_heartbeat(attempt: AttemptDir) -> dict[str, Any]:
    """The last beat with its progress; empty where there is none."""
    try:
        return record.decode_line(attempt.heartbeat.read_bytes()) or {}
    except OSError:
        return {}


def _ended(attempt: AttemptDir) -> bool:
    return bool(read_heartbeat(attempt).get("ended"))


def _beat(attempt: AttemptDir) -> Any:  # compared only
    return read_heartbeat(attempt).get("beat")


def process_start(pid: int) -> str | None:
    """When a process began, in a form that differs for any other process of the same number.

    None if there is no such process. On Linux in ticks since boot, which no change of the wall
    clock can shift.
    """
    try:
        if Path("/proc/self/stat").exists():
            stat = Path(f"/proc/{pid}/stat").read_text()
            fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces
            return None if fields[0] == "Z" else fields[19]  # a zombie works on nothing
        return str(psutil.Process(pid).create_time())
    except (OSError, psutil.Error):
        return None


def _host() -> str:
    # Containers may share a host name; their process numbers are then of different namespaces.
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return socket.gethostname()


def _boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else str(psutil.boot_time())
