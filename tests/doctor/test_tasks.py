"""Tasks are tried in processes of their own, so that each fault stays one task's."""

import itertools
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import faulty_trials
import psutil
import pytest
from processes import is_gone

from tdmpc2_bench import registry
from tdmpc2_bench.doctor import tasks, trial
from tdmpc2_bench.doctor.trial import Trial

COMMAND = (sys.executable, "-P", faulty_trials.__file__)


def tried(*names: str, patience: float = 60.0) -> dict[str, Trial]:
    rows = [faulty_trials.TASKS[name] for name in names]
    return dict(tasks.trials(rows, seconds=0.01, patience=patience, command=COMMAND))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("segfaults", "the process crashed (SIGSEGV)"),
        ("last-words", "the process crashed (SIGABRT); its last line: the driver is lost"),
        ("leaves", "the process left with exit code 9"),
        ("raises", "ValueError: could not broadcast"),
        ("other-dims", "expected observations float32 of shape (2,), got float32 of (3,)"),
        ("nan", "an observation or a reward is not finite"),
        ("nan-reward", "an observation or a reward is not finite"),
        ("drifts", "two episodes with equal seed and actions had other observations"),
    ],
)
def test_a_fault_is_named_and_stays_its_own_tasks(fault: str, reason: str) -> None:
    found = tried("good", fault, "good-too")
    assert list(found) == ["good", fault, "good-too"]
    assert found[fault] == Trial(status="broken", reason=reason)
    for name in ("good", "good-too"):
        assert (found[name].status, found[name].reason) == ("ok", "")
        assert found[name].steps_per_s > 0


def test_a_hanging_task_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLEEPER", str(tmp_path / "pid"))
    found = tried("good", "hangs", "good-too", patience=5.0)
    assert found["hangs"] == Trial(status="broken", reason="no answer within 5 s")
    assert found["good"].status == found["good-too"].status == "ok"
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_whoever_stops_listening_leaves_no_process_behind() -> None:
    rows = [faulty_trials.TASKS[name] for name in ("good", "good-too")]
    with closing(tasks.trials(rows, seconds=0.01, command=COMMAND)) as trials:
        assert next(trials)[0] == "good"
        assert len(psutil.Process().children()) == 1
    assert not psutil.Process().children()


def test_what_a_simulator_prints_is_no_answer() -> None:
    assert tried("prints")["prints"].status == "ok"


def test_episodes_may_end_at_any_step() -> None:
    assert tried("ends")["ends"].status == "ok"


def test_missing_assets_are_missing_not_broken() -> None:
    assert tried("no-assets", "good")["no-assets"] == Trial(
        status="missing", reason="its assets are missing"
    )


@pytest.mark.usefixtures("toy_cannot_run")
def test_a_suite_that_cannot_be_run_is_missing_without_a_process() -> None:
    command = (sys.executable, "-c", "raise SystemExit('was started')")
    found = dict(tasks.trials(registry.select(["suite:toy"]), command=command))
    assert [trial.status for trial in found.values()] == ["missing", "missing"]
    assert "not yet run in this version" in found["toy-point"].reason


@pytest.mark.usefixtures("no_interpreter")
def test_a_suite_without_its_interpreter_is_missing_and_says_how_to_get_it() -> None:
    found = dict(tasks.trials(registry.select(["lift-cube", "pick-cube"])))
    assert [trial.status for trial in found.values()] == ["missing", "missing"]
    assert "tdmpc2-bench setup maniskill2" in found["lift-cube"].reason


def test_speed_counts_environment_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock by which every agent step, of two environment steps, takes a second."""
    clock = itertools.count()
    monkeypatch.setattr(trial.time, "perf_counter", lambda: next(clock))
    assert registry.task("toy-point").action_repeat == 2
    assert trial.of("toy-point", 10.0) == Trial(status="ok", steps_per_s=2.0)


@pytest.mark.parametrize(
    ("suite", "simulator", "count"),
    [("dmcontrol", "dm_control", 39), ("metaworld", "metaworld", 50), ("myosuite", "myosuite", 10)],
)
def test_all_tasks_of_a_suite_are_well(suite: str, simulator: str, count: int) -> None:
    if find_spec(simulator) is None:
        pytest.skip(f"needs tdmpc2-bench[{suite}]")
    found = dict(tasks.trials(registry.select([f"suite:{suite}"]), seconds=0.05))
    assert len(found) == count
    assert {name: trial.reason for name, trial in found.items() if trial.status != "ok"} == {}
