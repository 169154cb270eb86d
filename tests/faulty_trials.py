"""Trials of made-up tasks with one fault each; the child process of the tests of `doctor`."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench import registry
from tdmpc2_bench.doctor import trial
from tdmpc2_bench.env import FloatArray, Outcome, TaskEnv
from tdmpc2_bench.errors import SuiteUnavailable
from tdmpc2_bench.suites.toy_simulation import Point
from tdmpc2_bench.task import Task


def die(number: signal.Signals, words: bytes = b"") -> None:
    os.write(2, words)
    os.kill(os.getpid(), number)


def hang() -> None:
    """Stand still for ever, with a child that does the same."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    Path(os.environ["SLEEPER"]).write_text(str(child.pid))
    time.sleep(1000)


def raise_() -> None:
    msg = "could not broadcast\nfrom here to there"
    raise ValueError(msg)


ACTS: dict[str, Callable[[], object]] = {
    "segfaults": lambda: die(signal.SIGSEGV),
    "last-words": lambda: die(signal.SIGABRT, b"the driver is lost\n"),
    "leaves": lambda: os._exit(9),
    "hangs": hang,
    "raises": raise_,
    "prints": lambda: os.write(1, b'{"status": "broken"}\n'),
}
OUTCOMES: dict[str, Callable[[Outcome, int], Outcome]] = {
    "other-dims": lambda outcome, _: outcome._replace(obs=np.zeros(3)),
    "nan": lambda outcome, _: outcome._replace(obs=outcome.obs * np.nan),
    "nan-reward": lambda outcome, _: outcome._replace(reward=np.nan),
    "drifts": lambda outcome, episode: outcome._replace(obs=outcome.obs + episode),
    "ends": lambda outcome, _: outcome._replace(terminated=True),
}


class Simulation(Point):
    """A point until an episode's third step, and then what its name says."""

    def __init__(self, fault: str) -> None:
        super().__init__(1)
        self._fault, self._step, self._episode = fault, 0, 0

    def reset(self, seed: int) -> NDArray[Any]:
        self._step, self._episode = 0, self._episode + 1
        return super().reset(seed)

    def step(self, action: FloatArray) -> Outcome:
        outcome = super().step(action)
        self._step += 1
        if self._step < 3:
            return outcome
        ACTS.get(self._fault, lambda: None)()
        return OUTCOMES.get(self._fault, lambda same, _: same)(outcome, self._episode)


NAMES = ("good", "good-too", "no-assets", *ACTS, *OUTCOMES)
TASKS = {
    name: dataclasses.replace(registry.task("toy-point"), name=name, action_repeat=1)
    for name in NAMES
}


def make(task: Task) -> TaskEnv:
    if task.name == "no-assets":
        msg = "its assets are missing"
        raise SuiteUnavailable(msg)
    return TaskEnv(task, Simulation(task.name))


if __name__ == "__main__":
    registry.make, registry.task = make, TASKS.__getitem__
    trial.main(sys.argv[1:])
