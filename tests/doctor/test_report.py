"""`doctor` as a command and as a Python call: shape, page and exit code."""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

import tdmpc2_bench
from tdmpc2_bench import registry
from tdmpc2_bench.cli import call
from tdmpc2_bench.doctor import disk, tasks
from tdmpc2_bench.doctor.finding import Status
from tdmpc2_bench.doctor.trial import Trial
from tdmpc2_bench.errors import UnknownName
from tdmpc2_bench.film import RENDERER
from tdmpc2_bench.task import Task


@pytest.fixture(autouse=True)
def no_back_end_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RENDERER, raising=False)


def pretend(monkeypatch: pytest.MonkeyPatch, trials: dict[str, Trial]) -> None:
    """Have tasks fare like that; others must not be tried."""

    def answers(rows: Sequence[Task]) -> Generator[tuple[str, Trial], None, None]:
        yield from ((task.name, trials[task.name]) for task in rows)

    monkeypatch.setattr(tasks, "trials", answers)


@pytest.mark.usefixtures("no_interpreter")
def test_json_has_its_stable_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["doctor", "--tasks", "toy-*", "--tasks", "lift-cube", "--json"]
    assert call([*arguments, "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    checks = {"packages", "traps", "suites", "gpu", "rendering", "disk", "tasks"}
    assert set(found) == {"machine"} | checks
    assert set(found["suites"]) == set(registry.SUITES)
    assert set(found["tasks"]) == {"toy-point", "toy-plane", "lift-cube"}
    for trial in found["tasks"].values():
        assert set(trial) == {"status", "reason", "steps_per_s"}
        assert isinstance(trial["reason"], str)
    tried, missing = found["tasks"]["toy-point"], found["tasks"]["lift-cube"]
    assert tried["status"] == "ok" and tried["steps_per_s"] > 0
    assert missing["status"] == "missing" and missing["steps_per_s"] == 0.0
    for check in checks:
        for finding in found[check].values():
            assert finding["status"] in {"ok", "note", "missing", "broken"}
            assert finding["reason"] or finding["status"] == "ok"


def test_the_python_call_returns_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tdmpc2_bench.examine(out=tmp_path)
    call(["doctor", "--json", "--out", str(tmp_path)])
    ours, theirs = report.as_json(), json.loads(capsys.readouterr().out)
    for one in (ours, theirs):
        del one["disk"], one["gpu"]  # how much is free may have changed in between
    assert ours == theirs
    assert report.broken == [] and report.tasks == {}


@pytest.mark.parametrize("option", ["--tasks", "--tasks=all"])
def test_without_a_pattern_all_tasks_are_tried(
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    well = Trial(status="ok", steps_per_s=1.0)
    pretend(monkeypatch, {task.name: well for task in registry.tasks()})
    assert call(["doctor", option, "--json", "--out", str(tmp_path)]) == 0
    assert len(json.loads(capsys.readouterr().out)["tasks"]) == 104


def test_without_the_option_no_task_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, {})
    assert call(["doctor", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.endswith("\nnothing is broken\n")
    assert "Trying" not in text
    for check in ("packages", "traps", "suites", "gpu", "rendering", "disk"):
        assert f"\n{check} " in text


def test_an_unknown_task_is_refused_before_anything_is_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for more in ([], ["--json"]):
        assert call(["doctor", "--tasks", "walker-wlk", *more]) == 1
        printed = capsys.readouterr()
        assert "Did you mean 'walker-walk'" in printed.err and not printed.out
    with pytest.raises(UnknownName, match="Did you mean 'walker-walk'"):
        tdmpc2_bench.examine(["walker-wlk"])


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_broken_task_makes_the_exit_code_2(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, {"toy-point": Trial(status="broken", reason="it is")})
    assert call(["doctor", "--tasks", "toy-point", "--out", str(tmp_path), *more]) == 2


def test_a_folder_that_cannot_be_written_makes_the_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").touch()
    assert call(["doctor", "--out", str(tmp_path / "runs")]) == 2
    assert capsys.readouterr().out.endswith("\nbroken: disk out\n")


@pytest.mark.parametrize("status", ["note", "missing"])
def test_what_is_missing_or_worth_knowing_breaks_nothing(
    status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = disk.Disk(status=status, reason="it is", folder="", free_gib=0)
    monkeypatch.setattr(disk, "examine", lambda _: finding)
    pretend(monkeypatch, {"toy-point": Trial(status="missing", reason="it is")})
    assert call(["doctor", "--tasks", "toy-point"]) == 0


def test_the_page_shows_each_task_and_why_others_are_missing_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["cup-catch", "cup-spin", "lift-cube", "pick-cube", "stack-cube", "toy-point"]
    missing = Trial(status="missing", reason="no simulator")
    trials = [
        Trial(status="ok", steps_per_s=12345.6), Trial(status="broken", reason="it crashed"),
        missing, missing, missing, Trial(status="broken", reason="it crashed"),
    ]  # fmt: skip
    pretend(monkeypatch, dict(zip(names, trials, strict=True)))
    assert call(["doctor", "--tasks", ",".join(names), "--out", str(tmp_path)]) == 2
    page = capsys.readouterr().out.partition("one thread.\n")[2]
    assert page.splitlines() == [
        "cup-catch   ok        12,346",
        "cup-spin    broken            it crashed",
        "lift-cube   missing           no simulator",
        "... and 2 more for the same reason",
        "toy-point   broken            it crashed",
        "1 ok, 2 broken, 3 missing",
        "",
        "broken: 2 tasks",
    ]


def test_neither_torch_nor_a_simulator_is_loaded_into_our_own_process(tmp_path: Path) -> None:
    code = (
        "import sys; from tdmpc2_bench.cli import call; call(['doctor', '--out', sys.argv[1]]); "
        "print([m for m in ('torch', 'dm_control', 'mujoco', 'pandas') if m in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
