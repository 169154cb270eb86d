"""A runner seen from outside: the process that trains one cell, watched, timed and ended."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tdmpc2_bench import child, ownership
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import DamagedFile
from tdmpc2_bench.gpus import NO_GPU, VARIABLE
from tdmpc2_bench.job import Job

COMMAND = child.module("tdmpc2_bench.runner")
_TAIL_LINES = 12  # of its output that are shown


class RunnerProcess:
    """A cell's runner process."""

    def __init__(self, job: Job, environment: Mapping[str, str], gpu: str = NO_GPU) -> None:
        """Start it.

        Args:
            job: what it trains.
            environment: variables on top of ours.
            gpu: the GPU it is given.
        """
        self.job, self.cell, self.gpu = job, job.cell, gpu
        visible = {VARIABLE: gpu} if gpu != NO_GPU else {}
        self.timed_out = ""  # why it was told to end, if it was
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - what it prints before a claim
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*COMMAND, json.dumps(dataclasses.asdict(job))],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, **visible},
            start_new_session=True,  # Ctrl-C reaches the grid alone, which asks its runners to stop
        )
        self._since = self._moved = time.monotonic()
        self._position: Any = None  # of its progress when it last moved
        self._kill_at: float | None = None

    def poll(self) -> int | None:
        """Its exit code, minus the number of the signal that ended it; None while it runs."""
        return self._process.poll()

    @property
    def attempt(self) -> AttemptDir | None:
        """The attempt this process has begun, if it has."""
        attempts = CellDir.of(Path(self.job.root), self.cell).attempts()
        try:
            ours = attempts and ownership.read_start(attempts[-1])["pid"] == self._process.pid
        except DamagedFile:  # or just withdrawn
            return None
        return attempts[-1] if ours else None

    def progress(self) -> dict[str, Any]:
        """The runner's last word on where it stands; empty before the first."""
        attempt = self.attempt
        return ownership.read_heartbeat(attempt) if attempt else {}

    def last_output(self) -> str:
        """The end of what it printed."""
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        attempt = self.attempt
        if attempt is not None and attempt.output.exists():
            text += attempt.output.read_text(errors="replace")
        return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])

    def enforce(self, *, timeout: float | None, stall: float, grace: float) -> None:
        """Ask it to save and stop when it takes too long or stands still; then make it.

        Args:
            timeout: seconds it may take in all.
            stall: seconds it may stand still.
            grace: seconds it has to write a checkpoint.
        """
        now = time.monotonic()
        if self._kill_at is not None:
            if now > self._kill_at:
                self.kill()
            return
        position = self.progress().get("moves")
        if position != self._position:
            self._position, self._moved = position, now
        if timeout is not None and now - self._since > timeout:
            self.timed_out = f"it took longer than the {timeout:,.0f} s it was given"
        elif now - self._moved > stall:
            self.timed_out = f"no step, update or evaluation step for {stall:,.0f} s"
        if self.timed_out:
            self._kill_at = now + grace
            self.ask_to_stop()

    def ask_to_stop(self) -> None:
        """Have it write a checkpoint and stop."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all processes it has started."""
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Clear up after its end: no process of its stays behind."""
        self.kill()
        self._output.close()
