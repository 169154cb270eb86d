"""Why a cell is as it is: how its newest attempt ended, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tdmpc2_bench import checkpoint, experiment, failure, manifest, plan, record, status
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import BenchError, DamagedFile
from tdmpc2_bench.job import Job

_TAIL_LINES = 20  # of what the runner printed

_ADVICE = {
    "done": "Nothing to do.",
    "diverged": "A result of its own: it is counted as such and never trained again.",
    "running": "Nothing to do; its process is alive.",
    "stale": "Its machine has gone silent; `run` takes the cell over once that is certain.",
    "interrupted": "The command that began it continues it.",
    "damaged": ("Restore the file from a copy, or train the cell anew with `run --allow damaged`."),
    "killed": (
        "It was killed from outside or crashed without a Python error: memory, a batch system or "
        "the simulator. The command that began it continues it from its last checkpoint."
    ),
    "memory": "Run again with fewer --workers, or on a larger machine.",
    "infrastructure": "Once the disk or network is well, the command that began it continues it.",
    "timeout": "The command that began it continues it; give it more time by --timeout or --stall.",
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
    found = status.status(cell, _planned(cell))
    attempts = cell.attempts()
    kind, reason, traceback = found.status, "", ""
    if attempts:
        kind, reason, traceback = _cause(found.status, attempts[-1])
    if kind in {"interrupted", "killed"}:
        try:
            checkpoint.newest(cell)
        except DamagedFile as error:  # so the command that began it cannot continue it
            kind, reason = "damaged", str(error)
    return Diagnosis(
        status=found,
        attempt=attempts[-1].number if attempts else None,
        kind=kind,
        reason=reason,
        traceback=traceback,
        output=_tail(attempts[-1]) if attempts else "",
        advice=_ADVICE[kind],
    )


def _planned(cell: CellDir) -> Job | None:
    """What its experiment has planned for the cell, if that is known here."""
    try:
        jobs = plan.jobs(experiment.load(cell.path.absolute().parents[3]))
    except (BenchError, IndexError):
        return None
    return next((job for job in jobs if job.cell == cell.cell), None)


def _cause(condition: str, attempt: AttemptDir) -> tuple[str, str, str]:
    """Kind, reason and traceback of how the attempt ended."""
    try:
        failed = failure.read(attempt)
        events = record.read_log(attempt.events).rows
    except DamagedFile as error:
        return "damaged", str(error), ""
    if condition == "failed" and failed is not None:
        return failed.kind, failed.reason, failed.traceback
    last = events[-1] if events else {}
    if last.get("event") == "diverged":
        return condition, str(last.get("reason", "")), ""
    if condition == "interrupted" and last.get("event") not in {"interrupted", "done"}:
        return "killed", "", ""  # it ended without a word
    return condition, "", ""


def _tail(attempt: AttemptDir) -> str:
    if not attempt.output.exists():
        return ""
    lines = attempt.output.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
