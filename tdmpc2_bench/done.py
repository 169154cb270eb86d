"""A cell's result: ``DONE.json``, written last, and whether it still stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tdmpc2_bench import manifest, record
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import DamagedFile
from tdmpc2_bench.job import Job

SCHEMA = 1  # of DONE.json
ANEW = "To train the cell anew, beside what there is: --allow damaged"


def covers(job: Job) -> bool:
    """Whether the cell's result covers the job's budget, or is final as it is.

    Raises:
        DamagedFile: a result file contradicts its recorded hash.
    """
    cell = CellDir.of(Path(job.root), job.cell)
    attempt = cell.finished()
    if attempt is None:
        return False
    manifest.read(cell)
    try:
        result = read(attempt)
    except DamagedFile as error:
        msg = f"{error}\n{ANEW}"
        raise DamagedFile(msg) from error
    return bool(result["status"] == "diverged" or result["env_step"] >= job.steps)


def read(attempt: AttemptDir) -> dict[str, Any]:
    """What the attempt's DONE.json says, once its files are found to be as recorded.

    Raises:
        DamagedFile: a file is missing or changed.
    """
    result = record.read_json(attempt.done)
    for name, entry in result["files"].items():
        _check_file(attempt.path / name, entry)
    return result


def write(attempt: AttemptDir, content: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Declare the attempt's result final, with size, time and hash of ``files``."""
    entries = {path.name: _entry(path) for path in files}
    record.write_json(attempt.done, {"schema": SCHEMA, **content, "files": entries})


def _entry(path: Path) -> dict[str, Any]:
    stat = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}


def _check_file(path: Path, entry: Mapping[str, Any]) -> None:
    """Trust an unchanged size and time; otherwise the hash decides."""
    try:
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) == (entry["size"], entry["mtime_ns"]):
            return
        damaged = hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]
    except OSError as error:
        msg = f"{path} is part of a finished result but cannot be read: {error.strerror}"
        raise DamagedFile(msg) from error
    if damaged:
        msg = f"{path} is damaged: it differs from what was recorded when the cell was done"
        raise DamagedFile(msg)
