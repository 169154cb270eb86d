"""A runner in a process of its own that meets the fault named for its seed.

``FAULTS`` in the environment maps seeds to names of `FAULTS`; the count of a cell's attempts can
be part of a fault, so that a later one goes well. With ``ENV_WORKER`` it has its environments
stepped by one.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


def hang(attempt: int) -> None:
    """Stand still for ever, with a child that does the same."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    Path(os.environ["CHILDREN"]).write_text(str(child.pid))
    while True:
        time.sleep(1)


def raise_(attempt: int) -> None:
    msg = "the simulator is broken"
    raise RuntimeError(msg)


def starve(attempt: int) -> None:
    raise MemoryError


def starve_once(attempt: int) -> None:
    if attempt == 1:
        starve(attempt)


def lose_disk_once(attempt: int) -> None:
    if attempt == 1:
        raise OSError(errno.EIO, "Input/output error")


def lose_disk(attempt: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def crash(attempt: int) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def exit_(attempt: int) -> None:
    os._exit(9)


def be_killed(attempt: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lose_env_worker_once(attempt: int) -> None:
    if attempt == 1:
        env_worker().kill()


def stop_env_worker(attempt: int) -> None:
    """Have it stand still for ever."""
    Path(os.environ["CHILDREN"]).write_text(str(env_worker().pid))
    env_worker().suspend()


def env_worker() -> psutil.Process:
    (keeper,) = psutil.Process().children()
    (worker,) = keeper.children()
    return worker


def be_slow(attempt: int) -> None:
    time.sleep(0.05)


FAULTS: dict[str, Callable[[int], None]] = {
    "raise": raise_,
    "segfault": crash,
    "exit": exit_,
    "killed": be_killed,
    "hang": hang,
    "starve": starve,
    "starve once": starve_once,
    "lose disk": lose_disk,
    "lose disk once": lose_disk_once,
    "slow": be_slow,
    "lose env worker once": lose_env_worker_once,
    "stop env worker": stop_env_worker,
}


def main() -> None:
    """Train the job given as JSON; the 10th step of its training environment meets the fault."""
    sys.path.append(str(Path(__file__).parents[1]))  # -P leaves it out
    import learner

    from tdmpc2_bench import registry, runner
    from tdmpc2_bench.celldir import CellDir
    from tdmpc2_bench.env import FloatArray, Outcome
    from tdmpc2_bench.job import Job
    from tdmpc2_bench.suites.toy_simulation import Point
    from tdmpc2_bench.worker.remote import RemoteSimulation

    registry.agent = learner.agent
    job = Job(**json.loads(sys.argv[1]))
    fault = json.loads(os.environ["FAULTS"]).get(str(job.seed))
    stepped: Any = Point  # whose steps are counted, of one class or another
    if "ENV_WORKER" in os.environ:
        registry.interpreter = lambda name: Path(sys.executable)
        stepped = RemoteSimulation
    real_init, real_step = stepped.__init__, stepped.step
    steps: dict[Any, int] = {}  # of every environment, the one for training first

    def init(self: Any, *args: Any) -> None:
        real_init(self, *args)
        steps[self] = 0

    def step(self: Any, action: FloatArray) -> Outcome:
        steps[self] += 1
        if fault and self is next(iter(steps)) and steps[self] >= 10:
            FAULTS[fault](len(CellDir.of(Path(job.root), job.cell).attempts()))
        return real_step(self, action)

    stepped.__init__, stepped.step = init, step
    runner.main()


if __name__ == "__main__":
    main()
