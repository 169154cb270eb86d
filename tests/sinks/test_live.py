"""TensorBoard while cells are trained: complete, each step once, and never in the way."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import run_learner
from cells import cell_of, finish, results
from learner import job
from sink_files import Shown, close_to, of_events, of_logs

import tdmpc2_bench
from tdmpc2_bench import grid, runner_process, sinks
from tdmpc2_bench.celldir import CellDir, find_cells
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import Exit, UsageError
from tdmpc2_bench.grid import Limits, Outcome
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.results import inherited, read_chain
from tdmpc2_bench.runner_process import RunnerProcess
from tdmpc2_bench.sinks import live
from tdmpc2_bench.sinks.curves import Point, Source

TOY = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1-2", "--workers", "2"]
TOY += ["--steps", "400", "--eval-every", "200", "--eval-episodes", "2"]


def shown(cell: CellDir) -> Shown:
    """What TensorBoard shows of a cell."""
    pytest.importorskip("tensorboard")
    return of_events(CellDir.of(cell.path.parents[3] / "tensorboard", cell.cell).path)


def recorded(cell: CellDir) -> Any:
    """What the newest attempt and those before it hold."""
    return close_to(of_logs(cell, cell.attempts()[-1]))


class Follow:
    """Trains jobs of the test learner in processes of their own, followed in TensorBoard."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        script = str(Path(__file__).parents[1] / "faults" / "faulty_runner.py")
        monkeypatch.setattr(runner_process, "COMMAND", (sys.executable, "-P", script))
        monkeypatch.setattr(live, "_SECONDS", 0.0)
        self._monkeypatch = monkeypatch
        self.warnings: list[str] = []

    def __call__(
        self, todo: Job, watch: grid.Watcher = grid.unwatched, *, fault: str = ""
    ) -> Outcome:
        self._monkeypatch.setenv("FAULTS", json.dumps({todo.seed: fault}))
        with live.watcher(watch, warn=self.warnings.append) as both:
            return grid.run([todo], StopRequest(), Limits(backoff=0.1), watch=both)


@pytest.fixture
def follow(registered_learner: None, monkeypatch: pytest.MonkeyPatch) -> Follow:
    return Follow(monkeypatch)


def test_short_runs_are_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*TOY, "--out", str(tmp_path), "--tensorboard"]) == 0
    assert capsys.readouterr().err == ""
    cells = find_cells(tmp_path)
    assert len(cells) == 2
    for cell in cells:
        assert [step for step, _ in shown(cell)["eval/return"]] == [0, 200, 400]
        assert shown(cell) == recorded(cell)


@pytest.mark.parametrize("at_once", [1, 500])
def test_the_curves_grow_while_a_cell_is_trained(
    follow: Follow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(live, "_AT_ONCE", at_once)
    todo = job(tmp_path, steps=60, eval_every=20)
    looks: list[int] = []

    def look(running: Sequence[RunnerProcess], outcome: Outcome) -> None:
        if running and (tmp_path / "tensorboard").exists():
            looks.append(len(shown(cell_of(todo)).get("eval/return", ())))

    assert follow(todo, look, fault="slow").code == Exit.OK
    assert looks == sorted(looks)
    assert any(0 < count < 4 for count in looks)
    assert len(shown(cell_of(todo))["eval/return"]) == 4
    assert shown(cell_of(todo)) == recorded(cell_of(todo))
    assert follow.warnings == []


@pytest.mark.parametrize("known", [range(0), range(0, 4000, 10)], ids=["new", "known"])
def test_a_continued_cell_is_shown_once_with_all_that_led_up_to_it(
    follow: Follow, tmp_path: Path, known: range
) -> None:
    """Whatever TensorBoard knows of the attempt before, which was killed."""
    todo = job(tmp_path / "killed")
    cell = cell_of(todo)
    run_learner.run(todo, run_learner.Fault(where="act", number=170))
    with sinks.sink("tensorboard", live.folder(todo.root)) as sink:
        curve = sink(Source.of(cell, cell.attempt(1), began=0.0))
        for step in known:
            curve.write(Point("train", {}, step, {"train/return": -1.0}, 0.0))
        curve.close()
    assert follow(todo).code == Exit.OK
    first, second = cell.attempts()
    assert 0 < len(inherited(cell, second, "train")) < len(read_chain(cell, first, "train"))
    assert shown(cell) == recorded(cell)

    straight = job(tmp_path / "straight")
    expected = of_logs(cell_of(straight), finish(straight))
    for name in ("eval/return", "eval/sample/return", "train/return"):
        assert close_to({name: expected[name]}) == {name: shown(cell)[name]}


def test_a_cell_that_is_tried_again_is_shown_once(follow: Follow, tmp_path: Path) -> None:
    todo = job(tmp_path, steps=100, eval_every=20)
    outcome = follow(todo, fault="lose disk once")
    assert outcome.retried == {todo.cell: 1}
    assert shown(cell_of(todo)) == recorded(cell_of(todo))
    assert [step for step, _ in shown(cell_of(todo))["eval/return"]] == [0, 20, 40, 60, 80, 100]


def test_the_same_from_python(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    outcome = tdmpc2_bench.run(
        "toy-point", agents="uniform", seeds=[1], steps=200, eval_every=100, eval_episodes=1,
        out=tmp_path, tensorboard=True,
    )  # fmt: skip
    (cell,) = find_cells(tmp_path)
    assert outcome.finished == [cell.cell]
    assert shown(cell) == recorded(cell)


# A sink that fails


class Failing:
    """A sink that raises at one of its moments."""

    def __init__(self, where: str) -> None:
        self._where = where

    @contextlib.contextmanager
    def sink(self, name: str, out: Path) -> Iterator[Failing]:
        del name, out
        self._reach("enter")
        yield self
        self._reach("leave")

    def __call__(self, source: Source) -> Failing:
        self._reach("open")
        return self

    def write(self, point: Point) -> None:
        self._reach("write")

    def close(self) -> None:
        self._reach("close")

    def _reach(self, moment: str) -> None:
        if moment == self._where:
            msg = "the network is down"
            raise ConnectionError(msg)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[CellDir]:
    """Cells that were not followed."""
    out = tmp_path_factory.mktemp("alone")
    assert call([*TOY, "--out", str(out)]) == 0
    return find_cells(out)


@pytest.mark.parametrize("where", ["enter", "open", "write", "close", "leave"])
def test_training_does_not_notice_a_sink_that_fails(
    alone: list[CellDir],
    tmp_path: Path,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(sinks, "sink", Failing(where).sink)
    assert call([*TOY, "--out", str(tmp_path), "--tensorboard"]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning == (
        "Warning: TensorBoard shows nothing more, training goes on. "
        "ConnectionError: the network is down"
    )
    for one, followed in zip(alone, find_cells(tmp_path), strict=True):
        assert one.cell == followed.cell
        assert results(one.attempt(1)) == results(followed.attempt(1))


def test_a_place_that_cannot_be_written_is_one_warning_from_python_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "tensorboard").write_text("mine")
    outcome = tdmpc2_bench.run(
        "toy-point", agents="uniform", seeds=[1, 2], steps=200, eval_every=100, eval_episodes=1,
        out=tmp_path, tensorboard=True,
    )  # fmt: skip
    assert len(outcome.finished) == 2 and outcome.code == Exit.OK
    (warning,) = caplog.records
    assert warning.levelname == "WARNING" and "TensorBoard shows nothing more" in caplog.text
    assert (tmp_path / "tensorboard").read_text() == "mine"


def test_a_log_that_is_damaged_ends_what_is_shown_and_not_the_training(
    follow: Follow, tmp_path: Path
) -> None:
    todo = job(tmp_path, steps=60, eval_every=20)
    log = cell_of(todo).attempt(1).train
    damaged: list[Path] = []

    def damage(running: Sequence[RunnerProcess], outcome: Outcome) -> None:
        if running and not damaged and log.exists():
            damaged.append(log)
            with log.open("ab") as file:
                file.write(b"nonsense\n")

    assert follow(todo, damage, fault="slow").code == Exit.OK
    (warning,) = follow.warnings
    assert "train.jsonl: line 1 is damaged" in warning


# What it costs


def test_a_missing_library_is_said_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    out = tmp_path / "runs"
    assert call([*TOY, "--out", str(out), "--tensorboard"]) == Exit.USAGE
    assert 'pip install "tdmpc2-bench[sinks]"' in capsys.readouterr().err
    with pytest.raises(UsageError, match="tensorboard needs the library"):
        tdmpc2_bench.run("toy-point", agents="uniform", out=out, tensorboard=True)
    assert not out.exists()


@pytest.mark.parametrize("option", [[], ["--tensorboard"]])
def test_a_finished_grid_loads_no_library(tmp_path: Path, option: list[str]) -> None:
    if option:
        pytest.importorskip("tensorboard")
    command = [*TOY, "--out", str(tmp_path), *option]
    assert call([*TOY, "--out", str(tmp_path)]) == 0
    code = (
        f"import sys; from tdmpc2_bench.cli import call; call({command}); "
        "print([m for m in ('tensorboard', 'google.protobuf', 'wandb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["2 finished before", "[]"]
    assert not (tmp_path / "tensorboard").exists()
