"""Groups of cells are counted, with what is left and how long that takes."""

from pathlib import Path

import pytest

from tdmpc2_bench import summary
from tdmpc2_bench.cli import call
from tdmpc2_bench.status import CellStatus


def cell(task: str, seed: int, status: str, env_step: int, rate: float | None = None) -> CellStatus:
    return CellStatus(
        "uniform", "default", task, seed, status, env_step=env_step, budget=1000, rate=rate
    )


CELLS = [
    cell("walker-walk", 1, "done", 1000),
    cell("walker-walk", 2, "running", 400, 2.0),
    cell("walker-run", 1, "running", 100, 3.0),
    cell("walker-run", 2, "diverged", 50),
    cell("walker-run", 3, "missing", 0),
    cell("mw-door-open", 1, "failed", 10),
    cell("of-a-plugin", 1, "done", 1000),
]


def test_cells_are_counted_by_suite() -> None:
    found = {group.suite: group for group in summary.groups(CELLS)}
    assert list(found) == ["?", "dmcontrol", "metaworld", "all"]
    group = found["dmcontrol"]
    assert group.counts == {"done": 1, "running": 2, "diverged": 1, "missing": 1}
    assert (group.cells, group.env_steps, group.rate) == (5, 1550, 5.0)
    assert group.steps_left == 600 + 900 + 1000  # nothing is to come of the diverged one
    assert group.seconds_left == 500.0
    assert found["metaworld"].seconds_left is None  # nobody works on it


def test_one_group_is_not_summed_up_again() -> None:
    assert [group.suite for group in summary.groups(CELLS[:2])] == ["dmcontrol"]


def test_watching_shows_the_groups_until_it_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1-2"]
    arguments += ["--steps", "40", "--eval-every", "40", "--eval-episodes", "1"]
    assert call([*arguments, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    naps = iter([None, KeyboardInterrupt])

    def nap(seconds: float) -> None:
        assert seconds >= 2
        if next(naps) is KeyboardInterrupt:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", nap)
    assert call(["status", str(tmp_path), "--watch"]) == 0
    text = capsys.readouterr().out
    assert text.count("toy    uniform  default      2     2         80") == 2


def test_of_many_cells_those_that_went_wrong_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [cell("walker-walk", seed, "done", 1000) for seed in range(60)]
    monkeypatch.setattr("tdmpc2_bench.status.statuses", lambda *_: [*many, CELLS[5]])
    assert call(["status", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("walker-walk" in line for line in lines) == 0
    assert sum("mw-door-open" in line for line in lines) == 1
    assert call(["status", str(tmp_path), "--all"]) == 0
    assert capsys.readouterr().out.count("walker-walk") == 60
