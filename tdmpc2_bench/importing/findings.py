"""What was noticed in somebody's results, and what was done about it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]  # refused; something is not as given; good to know
Kind = Literal[
    "unreadable",  # a file or line that is no table of values
    "missing column",
    "unknown task",
    "bad name",
    "bad number",
    "not finite",
    "out of range",
    "missing value",
    "metric",  # a column that is not the metric of the task
    "duplicates",
    "mixed units",
    "gaps",
    "unequal ends",
    "missing seeds",
    "missing tasks",
    "left out",  # what is no part of the results
    "renamed",
    "no seeds",
    "spread",
    "not the published figures",
]
_MOST = 1_000  # of one kind; a file with a million bad rows must not fill the memory
_RANK: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed."""

    kind: Kind
    severity: Severity
    file: str  # "" where it concerns several
    line: int | None
    message: str  # what is there, and what was expected
    action: str  # what was done about it


class Findings:
    """All that is noticed on the way; reading goes on, so that everything is told at once."""

    def __init__(self, *, leave_out_bad: bool) -> None:
        """Say whether rows that cannot be used are left out instead of refused."""
        self._leave_out_bad = leave_out_bad
        self._found: dict[tuple[Kind, str, str], Finding] = {}  # by kind, file, message
        self._times: Counter[tuple[Kind, str, str]] = Counter()
        self._kept: Counter[Kind] = Counter()
        self._left: Counter[tuple[Kind, Severity]] = Counter()  # that are not kept
        self.refused = 0  # how many things make the source unusable

    def add(  # noqa: PLR0913 - the fields of a finding
        self,
        kind: Kind,
        severity: Severity,
        message: str,
        action: str,
        *,
        file: str = "",
        line: int | None = None,
    ) -> None:
        """Take down a finding; the same in other lines of a file is counted."""
        self.refused += severity == "error"
        key = (kind, file, message)
        if key not in self._found and self._kept[kind] == _MOST:
            self._left[kind, severity] += 1
            return
        self._times[key] += 1
        if key not in self._found:
            self._kept[kind] += 1
            self._found[key] = Finding(kind, severity, file, line, message, action)

    def refuse(self, kind: Kind, message: str, *, file: str = "", line: int | None = None) -> None:
        """Take down what makes the whole source unusable."""
        self.add(kind, "error", message, "refused", file=file, line=line)

    def bad_row(self, kind: Kind, message: str, *, file: str, line: int) -> None:
        """Take down a row that cannot be used.

        Values out of range are never left out: those that remain would be the low ones.
        """
        if self._leave_out_bad and kind != "out of range":
            self.add(kind, "warning", message, "row left out", file=file, line=line)
        else:
            self.refuse(kind, message, file=file, line=line)

    def all(self) -> tuple[Finding, ...]:
        """Findings in order of severity, then of their coming; what was too much is counted."""
        rest = [
            Finding(kind, severity, "", None, f"and {n:,} more like these", "the same")
            for (kind, severity), n in self._left.items()
        ]
        return tuple(sorted([*self._counted(), *rest], key=lambda one: _RANK.index(one.severity)))

    def _counted(self) -> Iterator[Finding]:
        for key, finding in self._found.items():
            more = self._times[key] - 1
            suffix = f" (and {more:,} more lines)" if more else ""
            yield dataclasses.replace(finding, message=finding.message + suffix)
