"""Many cells at once: one process each, a few at a time, and a clear account at the end."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tdmpc2_bench import done, ownership
from tdmpc2_bench.celldir import AttemptDir, Cell, CellDir
from tdmpc2_bench.errors import DamagedFile, Exit, UsageError
from tdmpc2_bench.job import Job, StopRequest

_POLL_SECONDS = 0.2
_IMPATIENT = 2  # requests to stop after which nobody waits for checkpoints
_TAIL_LINES = 12  # of a failed cell's output that are shown

# Libraries that start threads read these once, when they load.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(slots=True)
class Outcome:
    """What became of the cells."""

    finished: list[Cell] = field(default_factory=list)
    already: list[Cell] = field(default_factory=list)  # were finished before
    failed: dict[Cell, str] = field(default_factory=dict)  # with the end of their output
    stopped: dict[Cell, str] = field(default_factory=dict)  # interrupted, busy, or never begun

    @property
    def code(self) -> Exit:
        """Exit code for the whole grid."""
        if self.failed:
            return Exit.FAILED
        return Exit.INTERRUPTED if self.stopped else Exit.OK


@dataclass(slots=True)
class Running:
    """A cell's runner process, seen from the grid."""

    job: Job
    cell: Cell
    process: subprocess.Popen[bytes]
    output: IO[bytes]  # what it prints before it owns an attempt
    since: float = field(default_factory=time.monotonic)

    @property
    def attempt(self) -> AttemptDir | None:
        """The attempt this process has begun, if it has."""
        attempts = CellDir.of(Path(self.job.root), self.cell).attempts()
        try:
            ours = attempts and ownership.read_start(attempts[-1])["pid"] == self.process.pid
        except DamagedFile:  # or just withdrawn
            return None
        return attempts[-1] if ours else None

    def progress(self) -> dict[str, Any]:
        """The runner's last word on where it stands; empty before the first."""
        attempt = self.attempt
        return ownership.read_heartbeat(attempt) if attempt else {}

    def last_output(self) -> str:
        """The end of what it printed."""
        self.output.seek(0)
        text = self.output.read().decode(errors="replace")
        attempt = self.attempt
        if attempt is not None and attempt.output.exists():
            text += attempt.output.read_text(errors="replace")
        return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])


Watcher = Callable[[Sequence[Running], Outcome], None]


def _unwatched(running: Sequence[Running], outcome: Outcome) -> None:
    """Show nothing."""


def run(
    jobs: Sequence[Job],
    stop: StopRequest,
    *,
    workers: int = 1,
    threads: int = 1,
    watch: Watcher = _unwatched,
) -> Outcome:
    """Train all cells that are not finished yet; a failing one does not end the others.

    Args:
        jobs: what to train.
        stop: when requested, runners write a checkpoint and stop.
        workers: processes at a time.
        threads: computing threads per process.
        watch: called a few times a second, and once at the end.

    Raises:
        UsageError: no workers or no threads.
    """
    if workers < 1 or threads < 1:
        msg = f"expected at least one worker and one thread, got {workers} and {threads}"
        raise UsageError(msg)
    outcome = Outcome()
    waiting = deque(_unfinished(jobs, outcome))
    running: list[Running] = []
    told = 0  # how many of the user's requests to stop the runners have heard of
    try:
        while running or (waiting and not stop.requested):
            while waiting and len(running) < workers and not stop.requested:
                running.append(_launch(waiting.popleft(), threads))
            if stop.times > told:
                told = stop.times
                _tell(running, told)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                _settle(one, outcome, told)
            watch(running, outcome)
            time.sleep(_POLL_SECONDS)
    except BaseException:
        _tell(running, 1)  # nobody is left to wait for them, but they save themselves
        raise
    for job in waiting:
        outcome.stopped[job.cell] = "not begun"
    watch((), outcome)
    return outcome


def _tell(running: Sequence[Running], times: int) -> None:
    """Ask the runners to write a checkpoint and stop; asked again, do not wait for that."""
    for one in running:
        one.process.send_signal(signal.SIGKILL if times >= _IMPATIENT else signal.SIGTERM)


def _unfinished(jobs: Sequence[Job], outcome: Outcome) -> list[Job]:
    left = []
    for job in jobs:
        try:
            finished = done.covers(job)
        except DamagedFile as error:
            outcome.failed[job.cell] = str(error)
            continue
        if finished:
            outcome.already.append(job.cell)
        else:
            left.append(job)
    return left


def _launch(job: Job, threads: int) -> Running:
    # -P keeps a checkout's folders in the working directory from hiding the installed package.
    command = [sys.executable, "-P", "-m", "tdmpc2_bench.runner"]
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is settled
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, json.dumps(dataclasses.asdict(job))],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches the grid alone, which asks its runners to stop
    )
    return Running(job, job.cell, process, output)


def _settle(one: Running, outcome: Outcome, told: int) -> None:
    code = one.process.returncode
    if code == Exit.OK:
        outcome.finished.append(one.cell)
    elif code == Exit.INTERRUPTED or (code < 0 and told):
        outcome.stopped[one.cell] = one.last_output() or "interrupted"
    else:
        how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        outcome.failed[one.cell] = f"{how}\n{one.last_output()}".strip()
    one.output.close()
