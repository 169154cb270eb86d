"""An env worker whose tasks meet the fault that FAULT names, at every episode's third step."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tdmpc2_bench import registry
from tdmpc2_bench.env import FloatArray, Outcome, TaskEnv
from tdmpc2_bench.errors import Diverged, SuiteUnavailable, UnknownName
from tdmpc2_bench.suites.toy_simulation import Point
from tdmpc2_bench.task import Task
from tdmpc2_bench.worker import __main__ as entry
from tdmpc2_bench.worker import frames, source


def raise_(error: BaseException) -> None:
    raise error


def say(text: str) -> None:
    """Print as simulators do."""
    print(text)  # noqa: T201


def print_junk() -> None:
    for stream in (1, 2):
        os.write(stream, b"\xff\x00junk \xe2\x82\n")
    say("spoken")


def print_last_words(end: Callable[[], object]) -> None:
    say("\n".join(f"line {number}" for number in range(100)))
    end()


def hang() -> None:
    """Stand still for ever, and so does a child."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    Path(os.environ["SLEEPER"]).write_text(str(child.pid))
    while True:
        time.sleep(1)


def chatter() -> None:
    while True:
        say("still busy")


FAULTS: dict[str, Callable[[], object]] = {
    "ours": lambda: raise_(Diverged("the state is absurd")),
    "unknown": lambda: raise_(UnknownName("asset", "cubr", ["cube"])),
    "theirs": lambda: raise_(ValueError("could not broadcast\nfrom here to there")),
    "memory": lambda: raise_(MemoryError()),
    "disk": lambda: raise_(OSError(errno.EIO, "Input/output error")),
    "leaves": lambda: sys.exit("the library has had enough"),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfaults": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exits": lambda: print_last_words(lambda: os._exit(9)),
    "hangs": hang,
    "chatters": chatter,
    "junk": print_junk,
    "threads": lambda: say(f"threads {os.environ['OMP_NUM_THREADS']}"),
    "closes": lambda: (os.closerange(3, 100), time.sleep(1000)),
}
OUTCOMES: dict[str, Callable[[Outcome], Outcome]] = {
    "other-dims": lambda outcome: outcome._replace(obs=np.zeros(3)),
    "objects": lambda outcome: outcome._replace(obs=outcome.obs.astype(object)),
}


class Faulty(Point):
    """A point that is well until an episode's third step."""

    def __init__(self, axes: int) -> None:
        super().__init__(axes)
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        self._steps = 0
        return super().reset(seed)

    def step(self, action: FloatArray) -> Outcome:
        self._steps += 1
        outcome = super().step(action)
        if self._steps != 3:
            return outcome
        fault = os.environ["FAULT"]
        FAULTS.get(fault, lambda: None)()
        return OUTCOMES.get(fault, lambda same: same)(outcome)

    def close(self) -> None:
        say("closed")
        if os.environ["FAULT"] == "close":
            msg = "cannot be closed"
            raise ValueError(msg)


class Undrawable:
    """A point that there is no picture of."""

    def __init__(self, axes: int) -> None:
        point = Point(axes)
        self.reset, self.step, self.close = point.reset, point.step, point.close


class Still(Point):
    """A point that does nothing, at once."""

    def step(self, action: FloatArray) -> Outcome:
        return STOOD


STOOD = Outcome(np.zeros(2), 0.0)


def make(task: Task) -> TaskEnv:
    if os.environ["FAULT"] == "unavailable":
        msg = "its assets are missing"
        raise SuiteUnavailable(msg)
    simulations = {"still": Still, "undrawable": Undrawable}
    return TaskEnv(task, simulations.get(os.environ["FAULT"], Faulty)(task.action_dim))


if __name__ == "__main__":
    match os.environ["FAULT"]:
        case "protocol":
            frames.PROTOCOL = 77
        case "source":
            source.digest = lambda: "0123456789abcdef"
        case "chatty":
            print_junk()
        case "late":
            print_last_words(lambda: sys.exit(3))
    registry.make_here = make
    entry.main(*map(int, sys.argv[1:]))
