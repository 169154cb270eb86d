"""Environments whose simulators run in an env worker, and behave as if they ran here."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome, TaskEnv
from tdmpc2_bench.errors import SuiteUnavailable, UsageError, WorkerFailed
from tdmpc2_bench.task import Task
from tdmpc2_bench.worker import frames, process
from tdmpc2_bench.worker.frames import Kind
from tdmpc2_bench.worker.process import Worker


def make(task: Task, python: Path, versions: Mapping[str, str | None]) -> TaskEnv:
    """Build the environment of a task in the interpreter ``python``.

    The environments of a suite share a process, as they share the simulator's memory where they
    are built here: an evaluation's ten cost one interpreter. It ends with the last of them.

    Args:
        task: the task.
        python: executable of the interpreter.
        versions: those that results are to be marked with, of the simulator's distributions.

    Raises:
        SuiteUnavailable: the interpreter cannot be used, or has other versions.
    """
    worker, number = process.join(task.suite, python)
    try:
        built = worker.build(number, task.name)
        if built["versions"] != versions:
            msg = (
                f"the interpreter of suite {task.suite!r} ({python}) imports {built['versions']}, "
                f"but {dict(versions)} is what is installed in its environment; make it a virtual "
                "environment that takes nothing over from another"
            )
            raise SuiteUnavailable(msg)
    except BaseException:
        worker.leave(number)
        raise
    speed = built["steps_per_second"]
    simulation = (
        RemoteSimulation(task, worker, number)
        if speed is None
        else DrawableRemoteSimulation(task, worker, number, speed)
    )
    simulation.facts = built["facts"]
    return TaskEnv(task, simulation)


class RemoteSimulation:
    """A simulation in an env worker."""

    def __init__(self, task: Task, worker: Worker, number: int) -> None:
        """Stand for environment ``number`` of ``worker``, which plays ``task``."""
        self.facts: Mapping[str, str] = {}
        self._task, self._number = task, number
        self._worker: Worker | None = worker
        self._forget = weakref.finalize(self, worker.forget, number)
        self._forget.atexit = False  # the worker ends then

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` names."""
        return frames.unpack_outcome(self._ask(Kind.RESET, b"%d" % seed)).obs

    def step(self, action: FloatArray) -> Outcome:
        """Advance one environment step.

        Raises:
            WorkerFailed: the worker died or hung, or the simulator raised an error of its own.
        """
        return frames.unpack_outcome(self._ask(Kind.STEP, action.tobytes()))

    def close(self) -> None:
        """Release the simulator, and with its worker's last one the worker."""
        if self._worker is None:
            return
        self._forget.detach()
        try:
            self._ask(Kind.CLOSE)
        except WorkerFailed:
            if not self._worker.failure:  # else there is nothing left to be released
                raise
        finally:
            self._worker.leave(self._number)
            self._worker = None

    def _ask(self, kind: Kind, payload: bytes = b"") -> bytes:
        if self._worker is None:
            msg = f"the environment of {self._task.name!r} was closed; make another"
            raise UsageError(msg)
        return self._worker.ask(kind, self._number, payload)


class DrawableRemoteSimulation(RemoteSimulation):
    """A simulation in an env worker that can also be looked at."""

    def __init__(self, task: Task, worker: Worker, number: int, steps_per_second: float) -> None:
        """Stand for an environment with so many steps in a second of simulated time."""
        super().__init__(task, worker, number)
        self.steps_per_second = steps_per_second

    def render(self) -> NDArray[np.uint8]:
        """A picture of the present state."""
        return frames.unpack_picture(self._ask(Kind.RENDER))
