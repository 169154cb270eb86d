"""A step through an env worker costs little more than what two processes need to talk at all."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import workers

from tdmpc2_bench.worker import frames, process

_STEPS, _ROUNDS = 1000, 5
_BOUND = 1.3 * 3.0  # the goal, and room for a busy machine


@pytest.fixture
def one_processor() -> Iterator[None]:
    """Everybody on the same processor: on two, waking each other up takes most of the time, or not.

    That would drown what is to be measured, and depends on which of them the kernel chooses.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], object]]:
    """A step of a simulation that does nothing, in a worker."""
    monkeypatch.setattr(process, "_COMMAND", workers.FAULTY)
    monkeypatch.setenv("FAULT", "still")
    process._shared.clear()
    env, action = workers.make(), np.zeros(1, np.float32)
    env.reset(seed=1)
    yield lambda: env.simulation.step(action)
    env.close()


@pytest.fixture
def echo() -> Iterator[Callable[[], object]]:
    """As many bytes to a bare process, and as many back."""
    there, to_it = os.pipe()
    from_it, back = os.pipe()
    asked = bytes(frames._HEADER.size + 4)
    answered = frames._HEADER.size + frames._OUTCOME.size + 2 * 8
    program = f"import os\nwhile os.read({there}, 65536): os.write({back}, bytes({answered}))"
    command = [sys.executable, "-I", "-c", program]
    other = subprocess.Popen(command, pass_fds=(there, back))
    yield lambda: (os.write(to_it, asked), os.read(from_it, 65536))
    for pipe in (to_it, from_it, there, back):
        os.close(pipe)
    other.wait()


def test_a_step_takes_about_three_times_a_bare_echo_at_most(
    one_processor: None, step: Callable[[], object], echo: Callable[[], object]
) -> None:
    """In turns, so that both find the same caches and the same load."""
    ratios = []
    for _ in range(_ROUNDS):
        seconds: dict[Callable[[], object], list[float]] = {step: [], echo: []}
        for _ in range(_STEPS):
            for one, taken in seconds.items():
                begun = time.perf_counter()
                one()
                taken.append(time.perf_counter() - begun)
        through, bare = (statistics.median(taken) for taken in seconds.values())
        ratios.append(through / bare)
    assert statistics.median(ratios) <= _BOUND, ratios
