"""A child process that tries what may crash or hang: heard, timed, ended with all it started.

`Child` is its parent's view of it; `answering` is what it does itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Self

from tdmpc2_bench import failure, plugins

# Libraries that start threads read these once, when they load.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_POLL_SECONDS = 0.1  # between looks at whether it still runs
_REAP_SECONDS = 5.0  # from the end of its output to its own
_PR_SET_PDEATHSIG = 1  # of prctl(2)
_UNCAUGHT = 1  # exit code of a Python that ends with an exception


def module(name: str) -> tuple[str, ...]:
    """The command that runs one of our modules in an interpreter of its own.

    -P keeps a checkout's folders in the working directory from hiding the installed package.
    """
    return (sys.executable, "-P", "-m", name)


class Child:
    """A process that answers in lines of standard output, and is ended where the block ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, with variables on top of ours."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed where the block ends
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **environment},
            start_new_session=True,  # a group that can be ended as a whole
        )
        self._answers: IO[bytes] = self._process.stdout  # type: ignore[assignment] # a pipe
        self._unread = b""
        self._overdue = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._process.wait()
        self._answers.close()
        self._errors.close()

    def read_line(self, seconds: float) -> str | None:
        """Its next line; None if it ended before one, or is ended for ``seconds`` of silence."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            if time.monotonic() > deadline:
                self._overdue = f"no answer within {seconds:g} s"
                self._kill()
                return None
            over = self._process.poll() is not None  # asked first, so that no last word is lost
            ready = select.select([self._answers], [], [], 0 if over else _POLL_SECONDS)[0]
            read = os.read(self._answers.fileno(), 1 << 16) if ready else b""
            if not read and (ready or over):
                return None
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace")

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """The JSON object in its last line; None if it ended, or was ended, without one."""
        last, deadline = "", time.monotonic() + seconds
        while (line := self.read_line(max(deadline - time.monotonic(), 0))) is not None:
            last = line
        try:
            answer = json.loads(last)
        except ValueError:  # what a library printed before it failed
            return None
        return answer if isinstance(answer, dict) else None

    def ending(self, after: str = "") -> str:
        """Why it gave no answer: how it ended, and the last line of its errors.

        Args:
            after: only what stands behind this text counts.
        """
        try:
            code = self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            code = self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        if after:
            text = text.rpartition(after)[2]
        said = text.rstrip().rpartition("\n")[2].strip().rstrip(".")
        if said and code == _UNCAUGHT:
            return said  # the exception itself
        how = self._overdue or failure.of_exit(code).reason
        return f"{how}; its last line: {said}" if said else how

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(self._process.pid, signal.SIGKILL)


@contextlib.contextmanager
def answering() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """In a child: what sends an answer, a line of JSON.

    Answers have standard output to themselves: what simulators print there joins the errors. What
    the parent has warned of already is not said again, and the child does not outlive it.
    """
    plugins.silence()
    end_with_parent()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as lines:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def answer(content: Mapping[str, Any]) -> None:
            lines.write(json.dumps(content) + "\n")
            lines.flush()

        yield answer


def end_with_parent() -> None:
    """Have the kernel end this process when its parent dies, however that comes; on Linux."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
