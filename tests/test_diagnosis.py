"""Why a cell is as it is."""

from __future__ import annotations

import json
from pathlib import Path

import learner
import pytest
import run_learner

from tdmpc2_bench import diagnosis
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import UsageError


def cell_after(root: Path, fault: run_learner.Fault | None = None, **overrides: int) -> Path:
    run_learner.run(learner.job(root, overrides=overrides), fault)
    (manifest,) = root.glob("*/*/*/*/run.json")
    return manifest.parent


@pytest.mark.parametrize(
    ("fault", "overrides", "condition", "kind"),
    [
        (None, {}, "done", "done"),
        (None, {"diverge_at": 20}, "diverged", "diverged"),
        (None, {"fail_at": 20}, "failed", "code"),
        (run_learner.Fault(where="update", number=20), {}, "interrupted", "killed"),
        (
            run_learner.Fault(where="update", number=20, signals=("SIGTERM",)),
            {},
            "interrupted",
            "interrupted",
        ),
    ],
)
def test_every_way_to_end_is_told_apart(
    tmp_path: Path,
    fault: run_learner.Fault | None,
    overrides: dict[str, int],
    condition: str,
    kind: str,
) -> None:
    found = diagnosis.diagnose(cell_after(tmp_path, fault, **overrides))
    assert (found.status.status, found.kind, found.attempt) == (condition, kind, 1)
    assert found.advice


def test_a_longer_training_that_damage_forbids_is_told_by_status_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "toy-point", "--agent", "uniform", "--seeds", "1", "--eval-every", "40"]
    run = ["run", *options, "--eval-episodes", "1", "--out", str(tmp_path)]
    assert call([*run, "--steps", "80"]) == 0
    cell = tmp_path / "uniform" / "default" / "toy-point" / "1"
    for path in cell.glob("attempt-1/checkpoints/*/state.safetensors"):
        path.write_bytes(b"")
    assert call([*run, "--steps", "160"]) == 2
    capsys.readouterr()
    assert call(["status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"interrupted": 1}
    found = diagnosis.diagnose(cell)
    assert found.status.status == "interrupted" and found.kind == "damaged"
    assert "no checkpoint of" in found.reason and "--allow damaged" in found.advice


def test_why_a_cell_diverged_is_told(tmp_path: Path) -> None:
    found = diagnosis.diagnose(cell_after(tmp_path, diverge_at=20))
    assert (found.kind, found.reason) == ("diverged", "a loss is no longer a finite number")


def test_why_shows_the_error_and_where_it_came_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = cell_after(tmp_path, fail_at=20)
    assert call(["why", str(cell)]) == 0
    text = capsys.readouterr().out
    assert ": failed (code), attempt 1, at " in text
    assert "RuntimeError: told to fail" in text
    assert "learner.py" in text
    assert call(["why", str(cell), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reason"] == "RuntimeError: told to fail"
    assert found["status"]["task"] == "toy-point"


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    cell = cell_after(tmp_path)
    (events,) = cell.glob("attempt-1/events.jsonl")
    first, *rest = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(first.replace(b"started", b"startle") + b"".join(rest))
    found = diagnosis.diagnose(cell)
    assert found.kind == "damaged"
    assert "events.jsonl" in found.reason


def test_what_is_no_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no cell"):
        diagnosis.diagnose(tmp_path)
