"""An env worker that dies, hangs or is not one of ours is told apart, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import workers
from processes import end_soon
from workers import make, processes_of

from tdmpc2_bench import failure
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import SuiteUnavailable, UsageError, WorkerFailed
from tdmpc2_bench.worker import frames, process, source

ZERO = np.zeros(1, np.float32)


@pytest.fixture(autouse=True)
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets another's worker; every worker is a faulty one."""
    process._shared.clear()
    monkeypatch.setattr(process, "_COMMAND", workers.FAULTY)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Makes an environment of a worker with a fault."""
    monkeypatch.setenv("SLEEPER", str(tmp_path / "sleeper"))

    def make_faulty(fault: str) -> TaskEnv:
        monkeypatch.setenv("FAULT", fault)
        return make()

    return make_faulty


def until_fault(env: TaskEnv) -> None:
    """Into the second agent step, the third environment step."""
    env.reset(seed=1)
    for _ in range(2):
        env.step(ZERO)


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


# It dies


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("killed", "killed by SIGKILL"),
        ("segfaults", "the process crashed (SIGSEGV)"),
        ("exits", "the process left with exit code 9"),
        ("closes", "it answers no more"),
    ],
)
def test_a_death_says_how_it_came_and_may_pass(
    faulty: Any, fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_REAP_SECONDS", 1.0)
    env = faulty(fault)
    running = [one.pid for one in processes_of(env)]
    with pytest.raises(WorkerFailed) as error:
        until_fault(env)
    assert str(error.value).startswith(f"the env worker of suite 'toy', {sys.executable}: {words}")
    assert failure.of(error.value).kind == "infrastructure"
    assert end_soon(running)
    with pytest.raises(WorkerFailed, match="has ended; make this environment anew"):
        env.reset(seed=1)
    env.close()


def test_the_last_that_was_printed_is_shown(faulty: Any) -> None:
    with pytest.raises(WorkerFailed) as error:
        until_fault(faulty("exits"))
    lines = str(error.value).splitlines()
    assert lines[0].endswith("exit code 9")
    assert lines[1] == "It printed last:"
    assert lines[2:] == [f"  line {number}" for number in range(88, 100)]
    with pytest.raises(WorkerFailed, match=r"faulty_worker\.py.* in step"):
        until_fault(faulty("segfaults"))  # where it was, in Python


def test_the_environments_of_a_dead_worker_can_be_made_anew(faulty: Any) -> None:
    env, other = faulty("none"), make()
    processes_of(env)[1].kill()
    with pytest.raises(WorkerFailed, match="killed by SIGKILL"):
        env.reset(seed=1)
    with pytest.raises(WorkerFailed, match="has ended"):
        other.reset(seed=1)
    again = make()
    again.reset(seed=1)
    for one in (env, other, again):
        one.close()


def test_a_worker_whose_keeper_is_gone_ends_too(faulty: Any) -> None:
    env = faulty("none")
    keeper, worker = processes_of(env)
    keeper.kill()
    assert end_soon([worker.pid])
    with pytest.raises(WorkerFailed, match="killed by SIGKILL"):
        env.reset(seed=1)
    env.close()


# It hangs


@pytest.mark.parametrize("fault", ["hangs", "chatters"])
def test_one_that_hangs_is_ended_with_all_it_started(
    faulty: Any, fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = faulty(fault)
    env.simulation._worker._patience = 2.0
    env.reset(seed=1)
    env.step(ZERO)
    running = [one.pid for one in processes_of(env)]
    begun = time.monotonic()
    with pytest.raises(WorkerFailed) as error:
        env.step(ZERO)
    assert time.monotonic() - begun < 30
    assert f"no answer within 2 s (set by {process.PATIENCE})" in str(error.value)
    assert failure.of(error.value).kind == "timeout"
    if fault == "hangs":
        running.append(int((tmp_path / "sleeper").read_text()))
    assert end_soon(running)
    env.close()


def test_the_time_for_an_answer_can_be_set(monkeypatch: pytest.MonkeyPatch, faulty: Any) -> None:
    monkeypatch.setenv(process.PATIENCE, "0.001")
    with pytest.raises(WorkerFailed, match=r"no answer within 0\.001 s"):  # not even a greeting
        faulty("none")
    for wrong in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv(process.PATIENCE, wrong)
        with pytest.raises(UsageError, match=f"{process.PATIENCE}: expected .* got '{wrong}'"):
            faulty("none")
    monkeypatch.setenv(process.PATIENCE, "inf")
    env = faulty("none")
    env.reset(seed=1)
    env.close()


@pytest.mark.parametrize("fault", ["none", "hangs"])
def test_a_parent_that_is_killed_leaves_no_process(fault: str, tmp_path: Path) -> None:
    """Neither when the worker waits for a request nor when it hangs, with a child of its own."""
    program = (
        f"import sys; sys.path.append({str(Path(workers.__file__).parent)!r})\n"
        "import numpy, workers\n"
        "from tdmpc2_bench.worker import process\n"
        "process._COMMAND = workers.FAULTY\n"
        "env = workers.make()\n"
        "env.reset(seed=1)\n"
        "env.step(numpy.zeros(1, numpy.float32))\n"
        "print(*[one.pid for one in workers.processes_of(env)], flush=True)\n"
        "env.step(numpy.zeros(1, numpy.float32))\n"
        "input()\n"
    )
    sleeper = tmp_path / "sleeper"
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "FAULT": fault, "SLEEPER": str(sleeper)},
    )
    assert parent.stdin is not None and parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    if fault == "hangs":
        while not (sleeper.exists() and sleeper.read_text()):
            time.sleep(0.02)
        pids.append(int(sleeper.read_text()))
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    assert end_soon(pids)


# It is not one of ours


def refused(faulty: Any, fault: str) -> str:
    with pytest.raises(SuiteUnavailable) as error:
        faulty(fault)
    assert not psutil.Process().children()
    return str(error.value)


def test_other_code_is_refused_with_both_hashes(faulty: Any) -> None:
    text = refused(faulty, "source")
    assert sys.executable in text
    assert source.digest() in text and "0123456789abcdef" in text
    assert "install the tdmpc2-bench that is running here" in text


def test_another_protocol_is_refused_with_both_versions(faulty: Any) -> None:
    text = refused(faulty, "protocol")
    assert f"'protocol': {frames.PROTOCOL}," in text and "'protocol': 77" in text


def test_one_that_cannot_greet_says_why(faulty: Any) -> None:
    text = refused(faulty, "late")
    assert re.search(r"cannot be used: .*exit code 3\nIt printed last:\n.*line 99", text, re.DOTALL)


def test_an_interpreter_without_this_package_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, faulty: Any
) -> None:
    command = ("-I", "-S", "-m", "tdmpc2_bench.worker")  # -S hides what is installed
    monkeypatch.setattr(process, "_COMMAND", command)
    text = refused(faulty, "none")
    assert "No module named" in text and "tdmpc2_bench" in text
    assert "install the tdmpc2-bench that is running here into it" in text


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "python"
    file.write_text("no program")
    file.chmod(0o755)
    before = open_files()
    with pytest.raises(SuiteUnavailable, match=f"{file}.* cannot be used"):
        process.Worker("toy", file)
    assert open_files() == before


def test_greeting_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "none")
    process.greet.cache_clear()
    process.greet("toy", workers.PYTHON)
    assert not psutil.Process().children()


def test_ctrl_c_of_the_terminal_reaches_neither_keeper_nor_worker(faulty: Any) -> None:
    env = faulty("none")
    groups = {os.getpgid(one.pid) for one in processes_of(env)}
    assert len(groups) == 2 and os.getpgid(0) not in groups
    env.close()


def test_no_file_stays_open(faulty: Any) -> None:
    before = open_files()
    env = faulty("none")
    env.reset(seed=1)
    env.close()
    with pytest.raises(WorkerFailed):
        until_fault(faulty("killed"))
    assert open_files() == before


def test_a_worker_that_is_stopped_is_ended_all_the_same(faulty: Any) -> None:
    env = faulty("none")
    running = processes_of(env)
    running[1].send_signal(signal.SIGSTOP)
    env.simulation._worker._patience = 0.5
    with pytest.raises(WorkerFailed, match="no answer"):
        env.reset(seed=1)
    assert end_soon([one.pid for one in running])
    env.close()
