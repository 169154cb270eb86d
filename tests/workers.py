"""Env workers made by tests: of the interpreter that runs the tests, well or faulty."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psutil

from tdmpc2_bench import protocol, registry
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.worker import remote

PYTHON = Path(sys.executable)
FAULTY = ("-I", "-u", str(Path(__file__).with_name("worker") / "faulty_worker.py"))


def make(name: str = "toy-point", python: Path = PYTHON) -> TaskEnv:
    """The environment of a task, in a worker although its simulator is installed here."""
    row = registry.task(name)
    return remote.make(row, python, protocol.versions(registry.distributions(row)))


def processes_of(env: TaskEnv) -> list[psutil.Process]:
    """The keeper, its worker, and what that has started."""
    simulation: Any = env.simulation
    keeper = psutil.Process(simulation._worker._process.pid)
    return [keeper, *keeper.children(recursive=True)]
