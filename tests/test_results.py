"""Reading experiments back: the long table, the status of cells, the figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tdmpc2_bench import failure, ownership, plan, protocol, record, status
from tdmpc2_bench.analysis.align import mean_curve
from tdmpc2_bench.celldir import Cell, CellDir
from tdmpc2_bench.cli import call
from tdmpc2_bench.experiment import load as load_experiments

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of the uniform agent on the toy task."""
    out = tmp_path_factory.mktemp("runs")
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1-2"]
    arguments += ["--steps", "400", "--eval-every", "200", "--eval-episodes", "3"]
    assert call([*arguments, "--out", str(out)]) == 0
    return out


def test_the_table_has_a_row_per_cell_evaluation_and_mode(experiment: Path) -> None:
    from tdmpc2_bench import index

    table = index.load(experiment)
    assert list(table["env_step"]) == [0, 200, 400] * 2
    assert list(table["seed"]) == [1] * 3 + [2] * 3
    assert set(table["mode"]) == {"sample"} and table["headline"].all()
    assert (table["value"] == table["success"]).all() and (table["episodes"] == 3).all()
    assert table["fingerprint"].nunique() == 1


def test_values_are_means_over_the_recorded_episodes(experiment: Path) -> None:
    from tdmpc2_bench import index

    cell = CellDir.of(experiment, Cell("uniform", "default", "toy-point", 1))
    (attempt,) = cell.attempts()
    csv = pd.read_csv(attempt.evals_csv)
    expected = csv[csv["env_step"] == 200]["return"].mean()
    table = index.load(experiment)
    found = table[(table["seed"] == 1) & (table["env_step"] == 200)]["return"]
    assert found.item() == pytest.approx(expected)


def test_the_gap_is_what_planning_adds_to_the_policy() -> None:
    from tdmpc2_bench.results import planning_gap

    assert planning_gap({"plan": 30.0, "mean": 12.5, "sample": 99.0}) == 17.5
    assert planning_gap({"mean": 12.5, "sample": 99.0}) is None
    assert planning_gap({"plan": None, "mean": 12.5}) is None


def test_mean_curve_keeps_only_steps_that_all_seeds_have() -> None:
    steps = [np.array([0, 10, 20, 30]), np.array([0, 20, 30, 40])]
    values = [np.array([1.0, 2, 3, 4]), np.array([3.0, 5, 8, 9])]
    common, mean = mean_curve(steps, values)
    assert common.tolist() == [0, 20, 30] and mean.tolist() == [2.0, 4.0, 6.0]


def begin(root: Path, seed: int, *, pid: int, event: str) -> None:
    """A cell whose only attempt is owned by ``pid`` and ended with ``event``."""
    cell = CellDir.of(root, Cell("uniform", "default", "toy-point", seed))
    manifest = {"protocol": {}, "fingerprint": protocol.fingerprint({})}
    record.publish_folder(cell.path, {"run.json": json.dumps(manifest).encode()})
    owner = {**ownership.identity(), "pid": pid, "process_start": ownership.process_start(pid)}
    attempt = cell.attempt(1)
    start = record.encode_line({"parent": None, "steps": 100, **owner})
    record.publish_folder(attempt.path, {"start.json": start})
    log = record.Log(attempt.events)
    log.append({"event": event})
    log.close()
    if event == "failed":
        failure.write(attempt, failure.Failure("code", "RuntimeError: told to fail"))


def test_status_tells_running_failed_interrupted_and_killed_apart(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    begin(tmp_path, 1, pid=os.getpid(), event="started")
    begin(tmp_path, 2, pid=gone.pid, event="failed")
    begin(tmp_path, 3, pid=gone.pid, event="interrupted")
    begin(tmp_path, 4, pid=gone.pid, event="started")
    found = {one.seed: one.status for one in status.statuses(tmp_path)}
    assert found == {1: "running", 2: "failed", 3: "interrupted", 4: "interrupted"}


def test_what_is_planned_and_not_begun_is_missing(experiment: Path) -> None:
    (planned,) = load_experiments(experiment, {"seeds": "1-3", "steps": 800})
    found = status.statuses(experiment, plan.jobs([planned]))
    assert [(one.seed, one.status, one.budget) for one in found] == [
        (1, "interrupted", 800),  # finished for less
        (2, "interrupted", 800),
        (3, "missing", 800),
    ]
    assert status.as_json(found)["counts"] == {"interrupted": 2, "missing": 1}


def test_status_prints_every_cell_for_people(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["status", str(experiment)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "2 done"
    assert call(["status", str(experiment), "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    keys = {"agent", "variant", "task", "seed", "status", "env_step", "budget", "last_return"}
    keys |= {"failure", "marks", "rate"}
    assert all(set(cell) == keys for cell in cells)


def test_a_result_that_was_changed_is_neither_drawn_nor_called_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1"]
    arguments += ["--steps", "40", "--eval-every", "20", "--eval-episodes", "1"]
    assert call([*arguments, "--out", str(tmp_path)]) == 0
    (log,) = tmp_path.glob("*/*/*/*/*/evals.jsonl")
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    assert call(["report", str(tmp_path)]) == 2
    assert "is damaged" in capsys.readouterr().err
    assert [one.status for one in status.statuses(tmp_path)] == ["damaged"]


def test_a_cell_that_lost_its_manifest_is_damaged_not_gone(tmp_path: Path) -> None:
    begin(tmp_path, 1, pid=os.getpid(), event="started")
    CellDir.of(tmp_path, Cell("uniform", "default", "toy-point", 1)).manifest.unlink()
    assert [one.status for one in status.statuses(tmp_path)] == ["damaged"]
