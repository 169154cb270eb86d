"""A cell has one owner: the first to create the attempt, until it is certainly gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from learner import job
from run_learner import Fault, run, start

from tdmpc2_bench import ownership, record
from tdmpc2_bench.celldir import AttemptDir, Cell, CellDir
from tdmpc2_bench.errors import BenchError, CellBusy, DamagedFile, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cell(tmp_path: Path) -> CellDir:
    found = CellDir.of(tmp_path, Cell("learner", "default", "toy-point", 1))
    found.path.mkdir(parents=True)
    return found


def claim_as(cell: CellDir, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> AttemptDir:
    """Claim attempt 1 as this process with some of its identity changed."""
    owner = {**ownership.identity(), **changes}
    with monkeypatch.context() as patch:
        patch.setattr(ownership, "identity", lambda: owner)
        return ownership.claim(cell, {}, number=1)


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-P", "-c", ""]) as process:
        pass
    return process.pid


@contextmanager
def beating(attempt: AttemptDir, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A heart that beats several times a second, and then no more: its owner dies unheard."""
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.2)
    heartbeat = ownership.Heartbeat(attempt)
    try:
        yield
    finally:
        heartbeat._stop.set()
        heartbeat._thread.join()


# Claims


def test_a_claim_says_who_made_it_and_why(cell: CellDir) -> None:
    attempt = ownership.claim(cell, {"steps": 5, "parent": None}, number=1)
    assert cell.path / "attempt-1" == attempt.path
    found = ownership.read_start(attempt)
    assert found == found | {"steps": 5, "parent": None, "pid": os.getpid()}
    assert ownership.process_start(os.getpid()) == found["process_start"]
    assert {"host", "boot", "nonce"} < set(found)


def test_an_attempt_is_claimed_once(cell: CellDir) -> None:
    first = ownership.claim(cell, {"steps": 1}, number=1)
    with pytest.raises(CellBusy, match="learner/default/toy-point/1"):
        ownership.claim(cell, {"steps": 2}, number=1)
    assert ownership.read_start(first)["steps"] == 1
    assert [path.name for path in cell.path.iterdir()] == ["attempt-1"]


@pytest.mark.parametrize("takers", [2, 8])
def test_of_takers_at_once_exactly_one_wins(tmp_path: Path, takers: int) -> None:
    """The others leave with a clear line, whatever they were interrupted in."""
    for trial in range(100):
        cell = CellDir.of(tmp_path, Cell("learner", "default", "toy-point", trial))
        cell.path.mkdir(parents=True)
        barrier = threading.Barrier(takers)

        def take(
            number: int, cell: CellDir = cell, barrier: threading.Barrier = barrier
        ) -> int | None:
            barrier.wait()
            try:
                ownership.claim(cell, {"taker": number}, number=1)
            except CellBusy:
                return None
            return number

        with ThreadPoolExecutor(takers) as pool:
            won = [one for one in pool.map(take, range(takers)) if one is not None]
        assert len(won) == 1
        assert won[0] == ownership.read_start(cell.attempt(1))["taker"]
        assert [path.name for path in cell.path.iterdir()] == ["attempt-1"]
        shutil.rmtree(cell.path)


def test_who_is_overtaken_while_writing_a_claim_finds_the_cell_busy(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The winner clears the loser's temporary folder away under its hands."""
    real = record.write_file

    def overtaken(path: Path, data: bytes) -> None:
        monkeypatch.setattr(record, "write_file", real)
        ownership.claim(cell, {"taker": "rival"}, number=1)
        real(path, data)

    monkeypatch.setattr(record, "write_file", overtaken)
    with pytest.raises(CellBusy):
        ownership.claim(cell, {"taker": "we"}, number=1)
    assert ownership.read_start(cell.attempt(1))["taker"] == "rival"


def test_a_claim_clears_away_what_an_interrupted_one_left(cell: CellDir) -> None:
    left = cell.path / ".attempt-1.tmp-0123"
    left.mkdir()
    (left / ".start.json.tmp-4567").touch()
    ownership.claim(cell, {}, number=1)
    assert [path.name for path in cell.path.iterdir()] == ["attempt-1"]


def test_a_damaged_start_is_said(cell: CellDir) -> None:
    attempt = ownership.claim(cell, {"steps": 100}, number=1)
    attempt.start.write_bytes(attempt.start.read_bytes().replace(b"100", b"900"))
    with pytest.raises(DamagedFile, match=r"start\.json"):
        ownership.read_start(attempt)


def test_a_missing_start_is_said(cell: CellDir) -> None:
    attempt = ownership.claim(cell, {}, number=1)
    attempt.start.unlink()
    with pytest.raises(BenchError, match=r"start\.json"):
        ownership.read_start(attempt)


def test_a_higher_attempt_supersedes(cell: CellDir) -> None:
    first = ownership.claim(cell, {}, number=1)
    assert not ownership.superseded(cell, first)
    second = ownership.claim(cell, {}, number=2)
    assert ownership.superseded(cell, first)
    assert not ownership.superseded(cell, second)


def test_attempts_are_ordered_by_number(cell: CellDir) -> None:
    numbers = [1, 2, 9, 10, 11]
    for number in reversed(numbers):
        ownership.claim(cell, {}, number=number)
    assert numbers == [attempt.number for attempt in cell.attempts()]


# Owners on this machine


def test_a_living_owner_keeps_its_cell(cell: CellDir) -> None:
    attempt = ownership.claim(cell, {}, number=1)
    with pytest.raises(CellBusy, match=f"attempt 1 of .*pid {os.getpid()} .* is running"):
        ownership.wait_until_free(attempt)
    assert ownership.runs_here(attempt)


def test_a_dead_owner_is_followed_at_once(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch, dead_pid: int
) -> None:
    attempt = claim_as(cell, monkeypatch, pid=dead_pid)
    began = time.monotonic()
    ownership.wait_until_free(attempt, stale_seconds=60)
    assert time.monotonic() - began < 1
    assert ownership.runs_here(attempt) is False


def test_another_process_of_the_same_number_is_not_the_owner(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    ownership.wait_until_free(claim_as(cell, monkeypatch, process_start="1"), stale_seconds=60)
    assert time.monotonic() - began < 1


def test_a_zombie_is_not_the_owner(cell: CellDir, monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-P", "-c", "input()"], stdin=subprocess.PIPE)
    started = ownership.process_start(process.pid)
    attempt = claim_as(cell, monkeypatch, pid=process.pid, process_start=started)
    with pytest.raises(CellBusy):
        ownership.wait_until_free(attempt)
    process.kill()
    deadline = time.monotonic() + 30
    while ownership.process_start(process.pid) is not None:  # dead, but nobody waited for it yet
        assert time.monotonic() < deadline
        time.sleep(0.01)
    ownership.wait_until_free(attempt, stale_seconds=60)
    process.communicate()


# Owners on other machines


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"boot": "before"}])
def test_an_owner_that_cannot_be_asked_is_waited_for(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch, dead_pid: int, changes: dict[str, str]
) -> None:
    """Another machine, or this one before it was started anew."""
    attempt = claim_as(cell, monkeypatch, pid=dead_pid, **changes)
    began = time.monotonic()
    ownership.wait_until_free(attempt, stale_seconds=1)
    assert 1 <= time.monotonic() - began < 5


def test_a_heart_that_stopped_is_waited_for_as_long(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = claim_as(cell, monkeypatch, host="elsewhere")
    with beating(attempt, monkeypatch):
        pass
    began = time.monotonic()
    ownership.wait_until_free(attempt, stale_seconds=1)
    assert time.monotonic() - began >= 1
    assert ownership.runs_here(attempt) is None


@pytest.mark.parametrize("host", ["elsewhere", None])
def test_an_owner_that_said_goodbye_is_not_waited_for(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    """On another machine, or in this very process."""
    attempt = claim_as(cell, monkeypatch, **({"host": host} if host else {}))
    ownership.Heartbeat(attempt).stop()
    ownership.wait_until_free(attempt, stale_seconds=1e9)
    assert ownership.runs_here(attempt) is False


def test_waiting_ends_when_a_stop_is_requested(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = claim_as(cell, monkeypatch, host="elsewhere")
    with pytest.raises(CellBusy, match="stopped before it was known"):
        ownership.wait_until_free(attempt, stale_seconds=1e9, give_up=lambda: True)


def test_a_beating_owner_elsewhere_keeps_its_cell(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = claim_as(cell, monkeypatch, host="elsewhere")
    with beating(attempt, monkeypatch), pytest.raises(CellBusy, match="elsewhere"):
        ownership.wait_until_free(attempt, stale_seconds=2)


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_wall_clock_that_jumps_does_not_matter(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    attempt = claim_as(cell, monkeypatch, host="elsewhere")
    began, real = time.monotonic(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump * (time.monotonic() - began))
    with beating(attempt, monkeypatch), pytest.raises(CellBusy):
        ownership.wait_until_free(attempt, stale_seconds=2)
    os.utime(attempt.heartbeat, (0, 0))  # nor does the file's age
    waited_from = time.monotonic()
    ownership.wait_until_free(attempt, stale_seconds=1)
    assert time.monotonic() - waited_from >= 1


# Heartbeats


def test_a_heartbeat_rises_and_carries_the_progress(
    cell: CellDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.05)
    attempt = ownership.claim(cell, {}, number=1)
    assert ownership.read_heartbeat(attempt) == {}
    heartbeat = ownership.Heartbeat(attempt)
    first = ownership.read_heartbeat(attempt)["beat"]
    heartbeat.progress = {"env_step": 40}
    deadline = time.monotonic() + 30
    while ownership.read_heartbeat(attempt)["beat"] < first + 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    heartbeat.stop()
    last = ownership.read_heartbeat(attempt)
    assert last["env_step"] == 40
    time.sleep(0.2)
    assert last == ownership.read_heartbeat(attempt)
    assert {"start.json", "heartbeat"} == {path.name for path in attempt.path.iterdir()}


# Takeovers of real runners

pytestmark = pytest.mark.usefixtures("registered_learner")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("where", ["update", "evaluate"])
def test_what_a_paused_owner_writes_after_a_takeover_is_never_read(
    tmp_path: Path, where: Any
) -> None:
    assert run(job(tmp_path / "undisturbed", eval_every=40)) == Exit.OK
    disturbed = job(tmp_path / "disturbed", eval_every=40, stale_seconds=1.0)
    cell = CellDir.of(Path(disturbed.root), disturbed.cell)
    expected = CellDir.of(tmp_path / "undisturbed", disturbed.cell).attempt(1)

    pause = Fault(where=where, number=120, signals=("SIGSTOP",))
    paused = start(disturbed, pause, host="elsewhere")
    try:
        _, status = os.waitpid(paused.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert run(disturbed) == Exit.OK
        taken_over = files(cell.path / "attempt-2")
        saved = set(files(cell.attempt(1).checkpoints))
        os.kill(paused.pid, signal.SIGCONT)
        assert paused.wait(timeout=60) in {Exit.OK, Exit.INTERRUPTED}
    finally:
        paused.kill()

    assert taken_over == files(cell.path / "attempt-2")
    assert saved == set(files(cell.attempt(1).checkpoints))
    assert not cell.attempt(1).done.exists()
    assert cell.attempt(2) == cell.finished()
    assert expected.evals_csv.read_bytes() == cell.attempt(2).evals_csv.read_bytes()
    assert expected.weights.read_bytes() == cell.attempt(2).weights.read_bytes()
    before = files(cell.path)
    assert run(disturbed) == Exit.OK  # the old owner's remains change nothing
    assert before == files(cell.path)


def test_a_second_runner_leaves_a_busy_cell(tmp_path: Path) -> None:
    first = start(job(tmp_path), Fault(where="update", number=50, signals=("SIGSTOP",)))
    try:
        os.waitpid(first.pid, os.WUNTRACED)
        cell = CellDir.of(tmp_path, job(tmp_path).cell)
        before = files(cell.path)
        second = start(job(tmp_path))
        assert second.wait(timeout=60) == Exit.INTERRUPTED
        assert set(before) == set(files(cell.path))
        os.kill(first.pid, signal.SIGCONT)
        assert first.wait(timeout=60) == Exit.OK
    finally:
        first.kill()
    assert [attempt.number for attempt in cell.attempts()] == [1]


@pytest.mark.slow
def test_of_two_runners_at_once_exactly_one_proceeds(tmp_path: Path) -> None:
    for trial in range(100):
        task = job(tmp_path, seed=trial)
        pair = [start(task), start(task)]
        codes = sorted(process.wait(timeout=60) for process in pair)
        # Both may end well: the second one found the cell finished.
        assert codes in ([Exit.OK, Exit.OK], [Exit.OK, Exit.INTERRUPTED])
        cell = CellDir.of(tmp_path, task.cell)
        assert [attempt.number for attempt in cell.attempts()] == [1]
        assert not list(tmp_path.rglob(".*.tmp-*"))
