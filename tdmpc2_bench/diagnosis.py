"""Why a cell is as it is: how its newest attempt ended, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tdmpc2_bench import manifest, record, status
from tdmpc2_bench.celldir import AttemptDir
from tdmpc2_bench.errors import DamagedFile

_TAIL_LINES = 20  # of what the runner printed

# Errors by name, since they are read back from a log. The rest is the code's own.
_MEMORY = {"MemoryError", "OutOfMemoryError"}
_INFRASTRUCTURE = {
    "BlockingIOError", "BrokenPipeError", "ConnectionError", "FileNotFoundError",
    "InterruptedError", "OSError", "PermissionError", "TimeoutError",
}  # fmt: skip

_ADVICE = {
    "done": "Nothing to do.",
    "diverged": "A result of its own: it is counted as such and never trained again.",
    "running": "Nothing to do; its process is alive.",
    "stale": "Its machine has gone silent; `run` takes the cell over once that is certain.",
    "interrupted": "The command that began it continues it.",
    "damaged": "Restore the file from a copy, or train the cell anew with another --out.",
    "killed": (
        "It was killed from outside or crashed without a Python error: memory, a batch system or "
        "the simulator. The command that began it continues it from its last checkpoint."
    ),
    "out of memory": "Run again with fewer --workers, or on a larger machine.",
    "infrastructure": "Once the disk or network is well, the command that began it continues it.",
    "code": "The traceback says where; with that mended, the command that began it continues it.",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How a cell's newest attempt ended."""

    status: status.CellStatus
    attempt: int | None  # number of the newest attempt
    kind: str  # of failure where it failed or was killed, otherwise its status
    reason: str  # the error's own words, empty where there was none
    traceback: str  # empty where there was none
    output: str  # the end of what the runner printed
    advice: str


def diagnose(path: Path) -> Diagnosis:
    """Say how the cell in folder ``path`` came to its condition; nothing is written.

    Raises:
        UsageError: it is no cell.
    """
    cell = manifest.find(path)
    found = status.status(cell)
    attempts = cell.attempts()
    kind, reason, traceback = found.status, "", ""
    if attempts:
        kind, reason, traceback = _cause(found.status, attempts[-1])
    return Diagnosis(
        status=found,
        attempt=attempts[-1].number if attempts else None,
        kind=kind,
        reason=reason,
        traceback=traceback,
        output=_tail(attempts[-1]) if attempts else "",
        advice=_ADVICE[kind],
    )


def _cause(condition: str, attempt: AttemptDir) -> tuple[str, str, str]:
    """Kind, reason and traceback of how the attempt ended."""
    try:
        events = record.read_log(attempt.events).rows
    except DamagedFile as error:
        return "damaged", str(error), ""
    last = events[-1] if events else {}
    match last.get("event"):
        case "failed" if condition == "failed":
            traceback = str(last["traceback"]).strip()
            return _kind(last["error"]), traceback.splitlines()[-1], traceback
        case "diverged":
            return condition, str(last.get("reason", "")), ""
        case "interrupted":
            return condition, "", ""
        case _ if condition == "interrupted":  # it ended without a word
            return "killed", "", ""
        case _:
            return condition, "", ""


def _kind(error: str) -> str:
    if error in _MEMORY:
        return "out of memory"
    return "infrastructure" if error in _INFRASTRUCTURE else "code"


def _tail(attempt: AttemptDir) -> str:
    if not attempt.output.exists():
        return ""
    lines = attempt.output.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
