"""What a check found: in which state something is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# ok: as it should be. note: it works, and there is something to know. missing: not installed, which
# only matters to who wants it. broken: it is there and does not do what it is there for.
Status = Literal["ok", "note", "missing", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found of one thing."""

    status: Status
    reason: str = ""  # one line: what is wrong and what to do; empty where nothing is

    @property
    def found(self) -> str:
        """What is there, in a few words; empty where the status says it all."""
        return ""
