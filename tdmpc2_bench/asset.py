"""What a task needs beside its simulator: files that their makers publish on their own.

Which these are is the suite's business; fetching them is that of ``download``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

STAND_IN = "STAND-IN"  # a file of this name marks a folder whose content was made up for tests


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip file of assets, as their makers publish it."""

    url: str
    sha256: str | None  # None: its makers publish none
    content: str  # the folder it becomes, relative to `Assets.folder`; its last part is in the zip


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """What one task needs."""

    folder: Path  # that all other paths are relative to
    variable: str  # environment variable that names another folder
    archives: tuple[Archive, ...]  # what brings all files
    files: tuple[str, ...]  # what the simulation depends on; pictures are not among them

    @property
    def missing(self) -> list[str]:
        """Files that are not there."""
        return [file for file in self.files if not (self.folder / file).is_file()]

    @property
    def stand_in(self) -> bool:
        """Whether they were made up for tests, so that results mean nothing."""
        return (self.folder / STAND_IN).exists()

    def identity(self) -> str:
        """Short hash of all that the simulation depends on; two results compare if it is equal.

        "missing" where something is not there; what was made up says so too.
        """
        if self.missing:
            return "missing"
        digest = hashlib.sha256()
        for file in sorted(self.files):
            content = hashlib.sha256((self.folder / file).read_bytes())
            digest.update(f"{content.hexdigest()}  {file}\n".encode())
        return f"{'stand-in ' if self.stand_in else ''}{digest.hexdigest()[:12]}"


def folder(suite: str, variable: str) -> Path:
    """Where a suite's assets lie: as the user says in ``variable``, else among our data."""
    given = os.environ.get(variable)
    if given:
        return Path(given).absolute()
    from tdmpc2_bench import interpreters  # listing tasks needs none of it

    return interpreters.data().absolute() / "assets" / suite
