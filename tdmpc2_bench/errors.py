"""Every error a user can meet, in one tree.

BenchError
├── UsageError             the request itself is wrong: nothing was started or written
│   ├── UnknownName        no task, suite, agent, preset or config field of that name
│   ├── SuiteUnavailable   the suite's simulator is not installed, or not supported yet
│   ├── BrokenPlugin       what another package adds cannot be used
│   └── ProtocolMismatch   a started cell was made under another protocol or other versions
├── CellBusy               another process owns the cell
├── DamagedFile            a file contradicts its own checksum, or cannot be read back
├── NotReproducible        a replayed episode did not give the recorded observations
├── Diverged               a number is no longer finite: a result, not a fault
├── InvalidAction          an action of the wrong shape or type reached an environment
└── WorkerFailed           an env worker died or hung, or a simulator in it raised its own error

A module of its own, so that anything may import it without a cycle.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from typing import Literal

# infrastructure: disk, network or machine; may pass. memory: there was not enough. timeout: it
# took too long or stood still. code: an error that trying again does not mend.
FailureKind = Literal["infrastructure", "memory", "timeout", "code"]


class BenchError(Exception):
    """Base of all errors this package raises on purpose."""


class UsageError(BenchError):
    """The request is wrong; nothing was started or written."""


class UnknownName(UsageError):
    """A name that stands for nothing, with the nearest names that do."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        """Word the message.

        Args:
            kind: what was looked for, in the singular ("task").
            name: what the user wrote.
            known: the names that exist.
            hint: where to look when nothing is near ("see `tdmpc2-bench ls tasks`").
        """
        near = difflib.get_close_matches(name, sorted(set(known)), n=3)
        message = f"no {kind} named {name!r}."
        if near:
            message += f" Did you mean {' or '.join(repr(n) for n in near)}?"
        elif hint:
            message += f" {hint}"
        super().__init__(message)


class SuiteUnavailable(UsageError):
    """A suite whose tasks can be listed but not run here."""


class BrokenPlugin(UsageError):
    """Something that another package adds and that cannot be used."""


class ProtocolMismatch(UsageError):
    """A started cell may only be continued under the protocol and versions it began with."""


class CellBusy(BenchError):
    """Another live process owns the cell."""


class DamagedFile(BenchError):
    """A file's content contradicts its checksum or cannot be parsed."""


class NotReproducible(BenchError):
    """Replaying an episode's actions gave other observations than the recorded ones."""


class Diverged(BenchError):
    """An observation, reward, action, loss or return is no longer a finite number."""


class InvalidAction(BenchError, ValueError):
    """An action that does not fit the environment's action space."""


class WorkerFailed(BenchError):
    """An environment in a process of another interpreter cannot go on."""

    def __init__(self, message: str, *, kind: FailureKind) -> None:
        """Take the message, and the class of failure that it amounts to."""
        super().__init__(message)
        self.kind = kind


class Exit(enum.IntEnum):
    """Exit codes of every command."""

    OK = 0
    USAGE = 1  # usage or configuration
    FAILED = 2  # some cells failed
    INTERRUPTED = 3  # stopped on request; the same command continues
