"""Many cells at once: one process each, a few at a time, and a clear account at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tdmpc2_bench import done, failure
from tdmpc2_bench.celldir import Cell, CellDir
from tdmpc2_bench.child import THREAD_VARIABLES
from tdmpc2_bench.errors import BenchError, DamagedFile, Exit, UsageError
from tdmpc2_bench.failure import Failure
from tdmpc2_bench.gpus import Gpus
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.runner_process import RunnerProcess

_POLL_SECONDS = 0.2
_IMPATIENT = 2  # requests to stop after which nobody waits for checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may run at once, for how long, and how often it is tried."""

    workers: int = 1  # processes at a time
    threads: int = 1  # computing threads per process
    retries: int = 2  # of a cell that failed for want of infrastructure or memory
    backoff: float = 10.0  # seconds before the first retry, doubled for every further one
    timeout: float | None = None  # seconds a process may take; None: for ever
    stall: float = 1800.0  # seconds a process may stand still
    grace: float = 60.0  # seconds it then has to write a checkpoint
    gpu_memory: float = 4.0  # GiB of a GPU's memory that a process is given

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            UsageError: a limit leaves no room for anything.
        """
        for name, least in (("workers", 1), ("threads", 1), ("retries", 0)):
            if getattr(self, name) < least:
                msg = f"{name}: expected at least {least}, got {getattr(self, name)}"
                raise UsageError(msg)
        for name in ("timeout", "stall", "gpu_memory"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                msg = f"{name}: expected more than 0, got {value}"
                raise UsageError(msg)


@dataclass(slots=True)
class Outcome:
    """What became of the cells."""

    finished: list[Cell] = field(default_factory=list)
    diverged: list[Cell] = field(default_factory=list)  # of those finished
    already: list[Cell] = field(default_factory=list)  # were finished before
    failed: dict[Cell, str] = field(default_factory=dict)  # class, reason, end of their output
    stopped: dict[Cell, str] = field(default_factory=dict)  # interrupted, busy, or never begun
    retried: Counter[Cell] = field(default_factory=Counter)  # how often

    @property
    def code(self) -> Exit:
        """Exit code for the whole grid."""
        if self.failed:
            return Exit.FAILED
        return Exit.INTERRUPTED if self.stopped else Exit.OK


Watcher = Callable[[Sequence[RunnerProcess], Outcome], None]


def unwatched(running: Sequence[RunnerProcess], outcome: Outcome) -> None:
    """Show nothing."""


def run(
    jobs: Sequence[Job],
    stop: StopRequest,
    limits: Limits | None = None,
    *,
    watch: Watcher = unwatched,
) -> Outcome:
    """Train all cells that are not finished yet; a failing one does not end the others.

    Args:
        jobs: what to train.
        stop: when requested, runners write a checkpoint and stop.
        limits: None: one process at a time.
        watch: called a few times a second, and once at the end.

    Raises:
        UsageError: the GPUs asked for are not there.
    """
    return _Grid(jobs, stop, limits or Limits()).run(watch)


@dataclass(slots=True)
class _Waiting:
    """A cell that is to be trained, at once or after a while."""

    job: Job
    not_before: float = 0.0  # on the monotonic clock


class _Grid:
    def __init__(self, jobs: Sequence[Job], stop: StopRequest, limits: Limits) -> None:
        self._stop, self._limits = stop, limits
        self._outcome = Outcome()
        self._waiting = [_Waiting(job) for job in jobs if not self._is_over(job)]
        self._running: list[RunnerProcess] = []
        self._workers = limits.workers  # fewer once memory ran out
        self._told = 0  # how many of the user's requests to stop the runners have heard of
        self._gpus = Gpus.wanted_by(jobs, gib_each=limits.gpu_memory)

    def run(self, watch: Watcher) -> Outcome:
        try:
            while self._running or (self._waiting and not self._stop.requested):
                self._launch()
                self._tell()
                for one in [one for one in self._running if one.poll() is not None]:
                    self._settle(one)
                self._enforce()
                watch(self._running, self._outcome)
                time.sleep(_POLL_SECONDS)
        except BaseException:
            for one in self._running:  # nobody waits for them any more, but they save themselves
                one.ask_to_stop()
            raise
        for waiting in self._waiting:
            self._outcome.stopped[waiting.job.cell] = "not begun"
        watch((), self._outcome)
        return self._outcome

    def _is_over(self, job: Job) -> bool:
        """Whether nothing is to be done about the cell; noted in the outcome then."""
        try:
            finished = done.covers(job)
        except DamagedFile as error:
            if "damaged" in job.allow:
                return False
            self._outcome.failed[job.cell] = str(error)
            return True
        if finished:
            self._outcome.already.append(job.cell)
        return finished

    def _launch(self) -> None:
        now = time.monotonic()
        for waiting in [one for one in self._waiting if one.not_before <= now]:
            if len(self._running) >= self._workers or self._stop.requested:
                return
            gpu = self._gpus.free_for([one.gpu for one in self._running])
            if gpu is None:
                return
            self._waiting.remove(waiting)
            environment = dict.fromkeys(THREAD_VARIABLES, str(self._limits.threads))
            self._running.append(RunnerProcess(waiting.job, environment, gpu))

    def _tell(self) -> None:
        """Ask the runners to write a checkpoint and stop; asked again, do not wait for that."""
        if self._stop.times <= self._told:
            return
        self._told = self._stop.times
        for one in self._running:
            if self._told >= _IMPATIENT:
                one.kill()
            else:
                one.ask_to_stop()

    def _enforce(self) -> None:
        limits = self._limits
        for one in self._running:
            one.enforce(timeout=limits.timeout, stall=limits.stall, grace=limits.grace)

    def _settle(self, one: RunnerProcess) -> None:
        """Note how a process ended, or put its cell back to be tried again."""
        beside = len(self._running) - 1
        self._running.remove(one)
        code = one.poll() or 0
        if code == Exit.OK:
            self._outcome.finished.append(one.cell)
            self._outcome.diverged += [one.cell] if _diverged(one) else []
        elif not one.timed_out and (code == Exit.INTERRUPTED or (code < 0 and self._told)):
            self._outcome.stopped[one.cell] = one.last_output() or "interrupted"
        else:
            found = _cause(one, code)
            if not self._tries_again(one, found, beside):
                self._outcome.failed[one.cell] = f"{found}\n{one.last_output()}".strip()
        one.close()

    def _tries_again(self, one: RunnerProcess, found: Failure, beside: int) -> bool:
        if found.kind == "memory" and beside == 0:
            return False  # it had the machine to itself
        tried = self._outcome.retried[one.cell]
        if found.kind not in {"infrastructure", "memory"} or tried >= self._limits.retries:
            return False
        if found.kind == "memory":
            self._workers = max(1, min(self._workers, beside + 1) - 1)
        self._outcome.retried[one.cell] += 1
        self._waiting.append(_Waiting(one.job, time.monotonic() + self._limits.backoff * 2**tried))
        return True


def _diverged(one: RunnerProcess) -> bool:
    """Whether the result that it has left is that a number became infinite or none at all."""
    finished = CellDir.of(Path(one.job.root), one.cell).finished()
    try:
        return finished is not None and done.read(finished)["status"] == "diverged"
    except DamagedFile:
        return False  # the next command says so


def _cause(one: RunnerProcess, code: int) -> Failure:
    """What the runner says of its end; where it could not say, its exit code does."""
    attempt = one.attempt
    try:
        said = failure.read(attempt) if attempt else None
        if said is None:
            late = one.timed_out
            said = Failure("timeout", late) if late else failure.of_exit(code)
            if attempt:
                failure.write(attempt, said)
    except BenchError as error:  # a full disk, for instance
        return failure.of(error)
    return said
