"""Whether results can be written where they are to go, and how much room there is."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tdmpc2_bench.doctor.finding import Finding

_LITTLE_GIB = 5.0  # about five of the largest cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk(Finding):
    """The file system that results go to."""

    folder: str  # the nearest that exists
    free_gib: float

    @property
    def found(self) -> str:
        """The room there is."""
        return f"{self.free_gib:,.1f} GiB free in {self.folder}"


def examine(out: Path) -> Disk:
    """Try to write where ``out`` is or would be created; nothing stays."""
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = round(shutil.disk_usage(folder).free / 2**30, 1)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        reason = f"cannot write there ({error.strerror}); give another folder with --out"
        return Disk(status="broken", reason=reason, folder=str(folder), free_gib=free)
    if free < _LITTLE_GIB:
        reason = "a cell takes up to 1 GiB with its replay; --keep weights lets it go at the end"
        return Disk(status="note", reason=reason, folder=str(folder), free_gib=free)
    return Disk(status="ok", folder=str(folder), free_gib=free)
