"""A grid goes on whatever befalls a cell, and says what did."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cells
import pytest
from learner import job
from processes import end_soon, is_gone

from tdmpc2_bench import diagnosis, failure, grid, runner_process, status
from tdmpc2_bench.celldir import Cell, CellDir
from tdmpc2_bench.errors import Exit, UsageError
from tdmpc2_bench.gpus import NO_GPU, VARIABLE, Gpus
from tdmpc2_bench.grid import Limits, Outcome
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.worker import process

Faults = Callable[..., Outcome]


@pytest.fixture
def run(registered_learner: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Faults:
    """Train seeds 1 to ``cells``, some of which meet a fault."""
    script = str(Path(__file__).with_name("faulty_runner.py"))
    monkeypatch.setattr(runner_process, "COMMAND", (sys.executable, "-P", script))
    monkeypatch.setenv("CHILDREN", str(tmp_path / "children"))

    def run(
        cells: int,
        faults: dict[int, str],
        /,
        overrides: dict[str, int] | None = None,
        **limits: Any,
    ) -> Outcome:
        monkeypatch.setenv("FAULTS", json.dumps(faults))
        described = {"steps": 100, "overrides": overrides or {}}
        jobs = [job(tmp_path, seed=seed, **described) for seed in range(1, cells + 1)]
        given = Limits(**{"workers": 2, "backoff": 0.1, **limits})
        return grid.run(jobs, StopRequest(), given)

    return run


def cell(seed: int) -> Cell:
    return Cell("learner", "default", "toy-point", seed)


def attempts(root: Path, seed: int) -> int:
    return len(CellDir.of(root, cell(seed)).attempts())


@pytest.mark.parametrize("fault", ["raise", "segfault"])
def test_one_cell_fails_and_the_others_finish(run: Faults, fault: str) -> None:
    outcome = run(3, {2: fault}, retries=0)
    assert outcome.code == Exit.FAILED
    assert len(outcome.finished) == 2
    assert set(outcome.failed) == {cell(2)}


def test_a_cell_that_diverges_is_finished_and_told_apart(run: Faults) -> None:
    outcome = run(2, {}, overrides={"diverge_at": 3})
    assert outcome.code == Exit.OK
    assert sorted(map(str, outcome.diverged)) == sorted(map(str, outcome.finished))
    assert len(outcome.diverged) == 2 and run(2, {}).diverged == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("raise", "code", "RuntimeError: the simulator is broken"),
        ("segfault", "code", "SIGSEGV"),
        ("exit", "code", "exit code 9"),
        ("killed", "memory", "SIGKILL"),
    ],
)
def test_one_of_twenty_fails_with_its_class_and_the_end_of_its_output(
    run: Faults, tmp_path: Path, fault: str, kind: str, words: str
) -> None:
    outcome = run(20, {11: fault}, retries=0)
    assert outcome.code == Exit.FAILED
    assert len(outcome.finished) == 19
    (text,) = outcome.failed.values()
    assert text.startswith(f"{kind}: ") and words in text
    found = diagnosis.diagnose(CellDir.of(tmp_path, cell(11)).path)
    assert (found.status.status, found.kind) == ("failed", kind)
    assert words in found.reason
    counts = status.as_json(status.statuses(tmp_path))["counts"]
    assert counts == {"done": 19, "failed": 1}


def test_a_failure_of_the_code_is_not_tried_again(run: Faults, tmp_path: Path) -> None:
    outcome = run(1, {1: "raise"})
    assert attempts(tmp_path, 1) == 1 and not outcome.retried
    assert "the simulator is broken" in outcome.failed[cell(1)]


def test_a_failure_of_the_disk_is_tried_again(run: Faults, tmp_path: Path) -> None:
    outcome = run(1, {1: "lose disk once"})
    assert outcome.code == Exit.OK
    assert outcome.retried == {cell(1): 1}
    assert attempts(tmp_path, 1) == 2


def test_a_disk_that_stays_away_is_given_up(run: Faults, tmp_path: Path) -> None:
    outcome = run(1, {1: "lose disk"}, retries=2)
    assert outcome.code == Exit.FAILED
    assert attempts(tmp_path, 1) == 3
    assert outcome.failed[cell(1)].startswith("infrastructure: ")


def test_want_of_memory_is_tried_again_with_fewer_at_a_time(run: Faults, tmp_path: Path) -> None:
    outcome = run(3, {1: "starve once", 2: "slow"})
    assert outcome.code == Exit.OK
    assert outcome.retried == {cell(1): 1}


def test_want_of_memory_with_the_machine_to_itself_is_final(run: Faults, tmp_path: Path) -> None:
    outcome = run(1, {1: "starve"})
    assert attempts(tmp_path, 1) == 1
    assert outcome.failed[cell(1)].startswith("memory: ")


def test_a_failed_cell_is_tried_again_by_the_next_command(run: Faults, tmp_path: Path) -> None:
    assert run(1, {1: "raise"}).code == Exit.FAILED
    assert run(1, {}).code == Exit.OK
    assert status.statuses(tmp_path)[0].status == "done"


def test_an_environment_that_hangs_is_ended_with_its_children(run: Faults, tmp_path: Path) -> None:
    begun = time.monotonic()
    outcome = run(3, {2: "hang"}, stall=3.0, grace=0.5)
    assert time.monotonic() - begun < 60
    assert outcome.code == Exit.FAILED and len(outcome.finished) == 2
    assert outcome.failed[cell(2)].startswith("timeout: no step, update or evaluation step")
    assert is_gone(int((tmp_path / "children").read_text()))
    found = failure.read(CellDir.of(tmp_path, cell(2)).attempt(1))
    assert found is not None and found.kind == "timeout"
    assert status.statuses(tmp_path)[1].status == "failed"


def test_a_cell_whose_env_worker_dies_is_tried_again(
    run: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENV_WORKER", "1")
    outcome = run(2, {1: "lose env worker once"})
    assert outcome.code == Exit.OK
    assert outcome.retried == {cell(1): 1}
    found = failure.read(CellDir.of(tmp_path, cell(1)).attempt(1))
    assert found is not None and found.kind == "infrastructure"
    assert "the env worker of suite 'toy'" in found.reason and "SIGKILL" in found.reason
    with_worker = CellDir.of(tmp_path, cell(1)).finished()
    assert with_worker is not None
    expected = cells.finish(job(tmp_path / "without", steps=100))
    assert cells.results(expected) == cells.results(with_worker)


@pytest.mark.parametrize("who", ["runner", "grid"])
def test_an_env_worker_that_hangs_is_ended(
    run: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """By the runner, which waits for an answer, or with the runner, which does not get on."""
    monkeypatch.setenv("ENV_WORKER", "1")
    stall = 60.0 if who == "runner" else 3.0
    monkeypatch.setenv(process.PATIENCE, "3" if who == "runner" else "600")
    outcome = run(1, {1: "stop env worker"}, stall=stall, grace=0.5)
    text = outcome.failed[cell(1)]
    assert text.startswith("timeout: ")
    assert ("no answer within 3 s" if who == "runner" else "no step") in text
    assert not outcome.retried
    assert end_soon([int((tmp_path / "children").read_text())])


def test_a_cell_that_takes_too_long_saves_and_stops_and_goes_on_next_time(
    run: Faults, tmp_path: Path
) -> None:
    outcome = run(1, {1: "slow"}, timeout=3.0)
    assert outcome.failed[cell(1)].startswith("timeout: it took longer")
    assert list(CellDir.of(tmp_path, cell(1)).attempt(1).checkpoints.iterdir())
    assert run(1, {}).code == Exit.OK
    assert attempts(tmp_path, 1) == 2


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"workers": 0}, "workers: expected at least 1"),
        ({"threads": 0}, "threads: expected at least 1"),
        ({"retries": -1}, "retries: expected at least 0"),
        ({"timeout": 0.0}, "timeout: expected more than 0"),
        ({"stall": float("nan")}, "stall: expected more than 0"),
        ({"gpu_memory": -1.0}, "gpu_memory: expected more than 0"),
    ],
)
def test_limits_that_leave_no_room_are_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Limits(**limits)


# GPUs, which this machine need not have


def cuda_job(root: Path, device: str) -> Job:
    return job(root, device=device)


def free(monkeypatch: pytest.MonkeyPatch, **gib: float) -> None:
    """Let there be GPUs named gpu0, gpu1, ... with so much memory free."""
    monkeypatch.setattr("tdmpc2_bench.gpus._free_memory", lambda: gib)


def test_runners_go_where_there_is_most_room_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, gpu0=9.0, gpu1=13.0, gpu2=3.9)
    gpus = Gpus.wanted_by([cuda_job(tmp_path, "cuda")], gib_each=4.0)
    taken: list[str] = []
    while (name := gpus.free_for(taken)) is not None:
        taken.append(name)
    assert taken == ["gpu1", "gpu0", "gpu1", "gpu0", "gpu1"]
    assert gpus.free_for(["gpu1", "gpu0", "gpu1", "gpu1"]) == "gpu0"


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_is_named_is_left_alone(tmp_path: Path, device: str) -> None:
    gpus = Gpus.wanted_by([cuda_job(tmp_path, device)], gib_each=4.0)
    assert gpus.free_for([NO_GPU] * 9) == NO_GPU


def test_gpus_without_room_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, gpu0=2.5)
    with pytest.raises(UsageError, match=r"GPU gpu0: 2\.5 GiB free"):
        Gpus.wanted_by([cuda_job(tmp_path, "cuda")], gib_each=4.0)


def test_a_runner_sees_the_gpu_it_was_given(
    registered_learner: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"import os; print(os.environ['{VARIABLE}'], os.environ['OMP_NUM_THREADS'])"
    monkeypatch.setattr(runner_process, "COMMAND", (sys.executable, "-c", script))
    one = runner_process.RunnerProcess(job(tmp_path), {"OMP_NUM_THREADS": "3"}, "GPU-7")
    one._process.wait()
    assert one.last_output() == "GPU-7 3"
    one.close()


def test_a_second_request_to_stop_does_not_wait(
    run: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first asks a runner to save, which one that hangs cannot; the second ends it."""
    del run  # only what it patches is wanted
    monkeypatch.setenv("FAULTS", json.dumps({1: "hang"}))

    stop = StopRequest()

    def ask(*_: object) -> None:
        stop.times += (tmp_path / "children").exists()

    outcome = grid.run([job(tmp_path, seed=1, steps=100)], stop, watch=ask)
    assert outcome.code == Exit.INTERRUPTED
    assert set(outcome.stopped) == {cell(1)}
    assert is_gone(int((tmp_path / "children").read_text()))
