"""An env worker as its user sees it: started, greeted, asked, and ended with all it started."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tdmpc2_bench import errors, failure
from tdmpc2_bench.child import THREAD_VARIABLES
from tdmpc2_bench.errors import (
    BenchError,
    FailureKind,
    SuiteUnavailable,
    UsageError,
    WorkerFailed,
)
from tdmpc2_bench.worker import frames, source
from tdmpc2_bench.worker.frames import Kind

PATIENCE = "TDMPC2_BENCH_WORKER_TIMEOUT"  # variable: seconds that an answer may take
_PATIENCE_SECONDS = 600.0  # unless it says otherwise; a simulator may load for minutes
_REAP_SECONDS = 5.0  # from being told to end, or from the last answer, to the end
_TAIL_LINES, _TAIL_BYTES = 12, 4096  # of what it has printed that an error shows
_HEAR_BYTES = 1 << 16
_LONGEST = 2.0**31 - 1  # milliseconds that poll can wait

# -I: no variable of ours and no folder beside us changes what the other interpreter imports. -u:
# what it prints is heard at once.
_COMMAND: Sequence[str] = ("-I", "-u", "-m", "tdmpc2_bench.worker")

_shared: weakref.WeakValueDictionary[tuple[int, str, Path], Worker] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def join(suite: str, python: Path) -> tuple[Worker, int]:
    """The worker of a suite in this process, started if there is none, and a number in it.

    Raises:
        SuiteUnavailable: it cannot be started, or runs other code than we do.
        WorkerFailed: it did not answer in time, or was killed.
    """
    key = (os.getpid(), suite, python)
    with _sharing:
        worker = _shared.get(key)
        if worker is None or worker.failure:
            worker = _shared[key] = Worker(suite, python)
        return worker, worker.new_number()


@functools.cache
def greet(suite: str, python: Path) -> None:
    """Make sure that a worker can be started; one that could will not be tried again.

    Raises:
        SuiteUnavailable: it cannot, or runs other code than we do.
        WorkerFailed: it did not answer in time, or was killed.
    """
    Worker(suite, python).end()


class Worker:
    """A process that steps environments of one suite; one request at a time."""

    def __init__(self, suite: str, python: Path) -> None:
        """Start it and make sure that it is one of ours.

        Args:
            suite: name of the suite, for errors.
            python: executable of its interpreter.

        Raises:
            SuiteUnavailable: it cannot be started, or runs other code than we do.
            UsageError: the variable `PATIENCE` is no number of seconds.
        """
        self.failure: WorkerFailed | None = None  # why it cannot be asked any more
        self._open: set[int] = set()  # numbers of environments
        self._forgotten: deque[int] = deque()  # those that nobody has any more
        self._suite, self._python = suite, python
        self._patience = _patience()
        self._owner = os.getpid()
        self._asking = threading.Lock()
        self._request = 0  # number of the last one
        self._numbers = itertools.count()  # of environments
        self._tail = b""  # of what it has printed
        self._start()
        self._greet()

    def new_number(self) -> int:
        """The number of an environment that is to be built."""
        number = next(self._numbers)
        self._open.add(number)
        return number

    def build(self, number: int, task: str) -> dict[str, Any]:
        """Have the environment of the task of that name built; returns what is told of it."""
        while self._forgotten:  # an error of their simulators is nobody's business any more
            with contextlib.suppress(BenchError):
                self.ask(Kind.CLOSE, self._forgotten.popleft())
        request = frames.pack_json({"task": task})
        return frames.unpack_json(self.ask(Kind.BUILD, number, request))

    def forget(self, number: int) -> None:
        """Have an environment closed when the next one is built, if ever.

        To be called when nobody has it any more. That may be at any moment, so nothing is asked.
        """
        self._open.discard(number)
        self._forgotten.append(number)

    def leave(self, number: int) -> None:
        """Do without an environment; the last one to be left ends the worker."""
        with _sharing:
            self._open.discard(number)
            if not self._open:
                self.end()

    def end(self) -> None:
        """End it with all that it has started."""
        self.failure = self.failure or WorkerFailed(f"{self} has been ended", kind="code")
        self._end()

    def ask(self, kind: Kind, environment: int, payload: bytes = b"") -> bytes:
        """Make a request and return the payload of the answer.

        Raises:
            WorkerFailed: the worker died or hung (then, and whenever it is asked again), or an
                environment raised an error that is none of ours.
            BenchError: an environment raised this error of ours.
        """
        if os.getpid() != self._owner:
            self._fail("it belongs to the process that this one was forked off", kind="code")
        with self._asking:
            if self.failure:
                msg = f"{self} has ended; make this environment anew"
                raise WorkerFailed(msg, kind=self.failure.kind) from self.failure
            self._request += 1
            try:
                frames.send(self._requests, kind, environment, self._request, payload)
            except BrokenPipeError:
                self._lose()
            answered, payload = self._answer(self._request)
        if answered == Kind.ERROR:
            raise self._rebuilt(frames.unpack_json(payload))
        return payload

    def _start(self) -> None:
        from_us, self._requests = os.pipe()
        self._answers, to_us = os.pipe()
        self._output, printed = os.pipe()
        os.set_blocking(self._output, False)
        threads = {name: os.environ.get(name, "1") for name in THREAD_VARIABLES}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - an interpreter that the user named
                [str(self._python), *_COMMAND, str(from_us), str(to_us)],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=(from_us, to_us),
                env={**os.environ, **threads},
                process_group=0,  # Ctrl-C in a terminal is for whoever started it
            )
        except OSError as error:
            for pipe in (self._requests, self._answers, self._output):
                os.close(pipe)
            raise self._unusable(str(error)) from error
        finally:
            for pipe in (from_us, to_us, printed):
                os.close(pipe)
        pipes = (self._requests, self._answers, self._output)
        self._end = weakref.finalize(self, _end, self._owner, self._process, pipes)
        self._arriving = frames.Reader(self._answers)
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        self._poll.register(self._output, select.POLLIN)

    def _greet(self) -> None:
        ours = {"protocol": frames.PROTOCOL, "source": source.digest()}
        try:
            told = frames.unpack_json(self._answer(0)[1])
        except WorkerFailed as error:
            if error.kind == "timeout" or self._process.returncode < 0:
                raise  # too slow, or ended from outside: it may pass
            raise self._unusable(str(error)) from error
        theirs = {name: told.get(name) for name in ours}
        if theirs != ours:
            self.end()
            reason = f"another tdmpc2-bench is installed there: it has {theirs}, here is {ours}"
            raise self._unusable(reason)

    def _unusable(self, reason: str) -> SuiteUnavailable:
        return SuiteUnavailable(
            f"the interpreter of suite {self._suite!r} ({self._python}) cannot be used: {reason}\n"
            "Set it up again, or install the tdmpc2-bench that is running here into it."
        )

    def _answer(self, request: int) -> tuple[int, bytes]:
        """Kind and payload of the answer; those to requests that were given up are dropped."""
        deadline = time.monotonic() + self._patience
        while True:
            while (frame := self._arriving.take()) is None:
                self._wait(deadline)
            answered, _, kind, payload = frame
            if answered == request:
                return kind, payload

    def _wait(self, deadline: float) -> None:
        """Wait for something to arrive, and pass on what is printed meanwhile."""
        left = deadline - time.monotonic()
        ready = self._poll.poll(min(left * 1000, _LONGEST)) if left > 0 else []
        for pipe, _ in ready:
            if pipe == self._output:
                self._hear()
            elif not self._arriving.read():
                self._lose()
        if not ready:
            self._fail(f"no answer within {self._patience:g} s (set by {PATIENCE})", kind="timeout")

    def _hear(self) -> None:
        """Print what the worker has printed, at most what a pipe holds."""
        try:
            data = os.read(self._output, _HEAR_BYTES)
        except BlockingIOError:  # nothing
            return
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        sys.stderr.write(data.decode(errors="replace"))
        if not data:  # nor will there ever be
            with contextlib.suppress(KeyError):  # it was known already
                self._poll.unregister(self._output)

    def _lose(self) -> NoReturn:
        """Say how it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it closed the pipe and lives on
            self._process.wait(_REAP_SECONDS)
        self._hear()
        code = self._process.returncode
        how = "it answers no more" if code is None else failure.of_exit(code).reason
        self._fail(how, kind="infrastructure")

    def _fail(self, how: str, *, kind: FailureKind) -> NoReturn:
        """End it and say why."""
        lines = self._tail.decode(errors="replace").strip().splitlines()[-_TAIL_LINES:]
        said = ["It printed last:", *(f"  {line}" for line in lines)] if lines else []
        msg = "\n".join([f"{self}: {how}", *said])
        self.failure = WorkerFailed(msg, kind=kind)
        self.end()
        raise self.failure

    def __str__(self) -> str:
        return f"the env worker of suite {self._suite!r}, {self._python}"

    def _rebuilt(self, told: dict[str, Any]) -> BenchError:
        """The error that an environment raised."""
        error: BenchError
        if told["type"]:
            ours: type[BenchError] = getattr(errors, told["type"])
            error = ours.__new__(ours, told["message"])  # its words are made already
        else:
            error = WorkerFailed(told["message"], kind=told["kind"])
        error.add_note(f"In {self}:\n{told['traceback']}")
        return error


def _end(owner: int, process: subprocess.Popen[bytes], pipes: Sequence[int]) -> None:
    """End a worker; its keeper does so when the pipe of requests is closed.

    In a process that was forked off the owner, the worker stays: it is the owner's.
    """
    requests, *others = pipes
    os.close(requests)
    if os.getpid() != owner:
        process.returncode = 0  # no child of ours: there is nothing to wait for
    try:
        process.wait(_REAP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # the keeper, with whom the worker ends
        process.wait()
    for pipe in others:
        os.close(pipe)


def _patience() -> float:
    given = os.environ.get(PATIENCE, "")
    try:
        seconds = float(given or _PATIENCE_SECONDS)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        msg = f"{PATIENCE}: expected a number of seconds above 0, got {given!r}"
        raise UsageError(msg)
    return seconds
