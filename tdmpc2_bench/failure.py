"""Why a runner ended without a result, in classes that say whether to try again.

``failure.json`` in the attempt says it: written by the runner for its own errors, and by the grid
for a process that ended without a word.
"""

from __future__ import annotations

import dataclasses
import errno
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from tdmpc2_bench import record
from tdmpc2_bench.celldir import AttemptDir
from tdmpc2_bench.errors import FailureKind, WorkerFailed

_SCHEMA = 1  # of failure.json
_INFRASTRUCTURE = {
    errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENODEV,
    errno.ENOSPC, errno.ENXIO, errno.EREMOTEIO, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
_MEMORY_NAMES = {"MemoryError", "OutOfMemoryError"}  # the second is torch's, not imported here
_MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "bad_alloc", "out of memory")
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSYS}


@dataclass(frozen=True, slots=True)
class Failure:
    """How a runner failed."""

    kind: FailureKind
    reason: str  # one line
    traceback: str = ""  # empty where there was none

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def of(error: BaseException) -> Failure:
    """The failure that an error amounts to."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return Failure(_kind(error), reason, "".join(traceback.format_exception(error)).strip())


def of_exit(code: int) -> Failure:
    """The failure of a process that ended by itself or a signal, without a word.

    Args:
        code: its exit code, minus the signal's number if one ended it.
    """
    if code >= 0:
        return Failure("code", f"the process left with exit code {code}")
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return Failure("memory", f"killed by {name}, as the kernel does when memory runs out")
    if -code in _CRASHES:
        return Failure("code", f"the process crashed ({name})")
    return Failure("infrastructure", f"ended by {name}")


def write(attempt: AttemptDir, failure: Failure) -> None:
    """Leave word of the failure; the first word stands."""
    if not attempt.failure.exists():
        record.write_json(attempt.failure, {"schema": _SCHEMA, **dataclasses.asdict(failure)})


def read(attempt: AttemptDir) -> Failure | None:
    """How the attempt failed, if it did.

    Raises:
        DamagedFile: its word cannot be read.
    """
    if not attempt.failure.exists():
        return None
    content = record.read_json(attempt.failure)
    return Failure(*(content.get(field.name, "") for field in dataclasses.fields(Failure)))


def _kind(error: BaseException) -> FailureKind:
    for one in _causes(error):
        if isinstance(one, WorkerFailed):
            return one.kind
        if type(one).__name__ in _MEMORY_NAMES or getattr(one, "errno", None) == errno.ENOMEM:
            return "memory"
        if isinstance(one, RuntimeError) and any(w in str(one).lower() for w in _MEMORY_WORDS):
            return "memory"  # as torch words it on the CPU
        if isinstance(one, ConnectionError | TimeoutError):
            return "infrastructure"
        if isinstance(one, OSError) and one.errno in _INFRASTRUCTURE:
            return "infrastructure"
    return "code"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, each once: nothing keeps a chain from being a ring."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__
