"""A runner in a process of its own that trains the test learner and can be made to fail.

Tests import `start` and `run`; the script itself is what they start:
``python -P run_learner.py JOB_JSON CONDITIONS_JSON``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tdmpc2_bench.job import Job

# Kinds of moments. "disk" is any call that changes files or makes them durable, "checkpoint" one
# of those while a checkpoint is written, "exit" the end of the process, "any" all kinds.
Where = Literal["update", "act", "evaluate", "disk", "checkpoint", "exit", "any"]
_DISK_CALLS = ("write", "fsync", "replace", "rename")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Signals that a runner sends itself just before its ``number``-th moment of a kind."""

    where: Where
    number: int
    signals: tuple[str, ...] = ("SIGKILL",)
    delay: float = 0.0  # seconds after that moment, while the runner goes on


def start(
    job: Job, fault: Fault | None = None, *, host: str = "", env_worker: bool = False
) -> subprocess.Popen[bytes]:
    """Start a runner.

    Args:
        job: what it trains.
        fault: what befalls it.
        host: name of the machine it believes to be on, if not this one.
        env_worker: whether it steps its environments in one.
    """
    conditions = {"fault": fault and dataclasses.asdict(fault), "host": host}
    conditions["env_worker"] = env_worker
    arguments = [json.dumps(dataclasses.asdict(job)), json.dumps(conditions)]
    return subprocess.Popen(
        [sys.executable, "-P", __file__, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run(job: Job, fault: Fault | None = None, *, host: str = "", env_worker: bool = False) -> int:
    """Start a runner as `start` does and return its exit code, negative for a signal."""
    process = start(job, fault, host=host, env_worker=env_worker)
    try:
        return process.wait(timeout=120)
    finally:
        process.kill()


class _Striker:
    """Counts moments and sends the signals when theirs has come."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._count = 0
        self.saving = False  # a checkpoint is being written

    def before(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, each call of which is a moment."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if self._is_now(kind):
                # A torn line, unless the kill comes later: a process that lives on writes it whole.
                if (
                    function is _write
                    and "SIGKILL" in self._fault.signals
                    and not self._fault.delay
                ):
                    function(args[0], args[1][: len(args[1]) // 2])
                self._strike()
            return function(*args, **kwargs)

        return wrapped

    def _is_now(self, kind: str) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return False  # the heartbeat
        kinds = {kind, "any", "checkpoint" if self.saving and kind == "disk" else kind}
        self._count += self._fault.where in kinds
        return self._fault.where in kinds and self._count == self._fault.number

    def _strike(self) -> None:
        if self._fault.delay:
            threading.Timer(self._fault.delay, self._send).start()
        else:
            self._send()

    def _send(self) -> None:
        for name in self._fault.signals:
            os.kill(os.getpid(), signal.Signals[name])


_write = os.write


def _install(fault: Fault) -> None:
    """Make the harness's own calls the moments at which the fault may come."""
    from tdmpc2_bench.checkpoint import Checkpoints
    from tdmpc2_bench.loop import Interaction

    striker = _Striker(fault)
    for name in _DISK_CALLS:
        setattr(os, name, striker.before("disk", getattr(os, name)))
    os._exit = striker.before("exit", os._exit)

    begin, save = Interaction.__init__, Checkpoints.write

    def begin_counted(self: Interaction, agent: Any, *args: Any) -> None:
        train_or_evaluate = {
            mode: striker.before("act" if mode == "train" else "evaluate", agent.act)
            for mode in ("train", *agent.modes)
        }
        agent.act = lambda *a, **k: train_or_evaluate[k["mode"]](*a, **k)
        agent.update = striker.before("update", agent.update)
        begin(self, agent, *args)

    def save_counted(self: Checkpoints, *args: Any) -> None:
        striker.saving = True
        save(self, *args)
        striker.saving = False

    setattr(Interaction, "__init__", begin_counted)  # noqa: B010 - its type differs
    setattr(Checkpoints, "write", save_counted)  # noqa: B010


def main() -> None:
    """Train the job under the conditions given as JSON."""
    sys.path.append(str(Path(__file__).parent))  # -P leaves it out
    import learner

    from tdmpc2_bench import registry, runner

    conditions = json.loads(sys.argv[2])
    registry.agent = learner.agent
    if conditions["host"]:
        socket.gethostname = lambda: conditions["host"]
    if conditions["env_worker"]:
        registry.interpreter = lambda name: Path(sys.executable)
    if conditions["fault"]:
        _install(Fault(**conditions["fault"]))
    runner.main()


if __name__ == "__main__":
    main()
