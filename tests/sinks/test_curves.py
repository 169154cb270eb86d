"""What is shown of a cell: names, steps, times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cells import StopAfter, cell_of, finish
from learner import job

from tdmpc2_bench.runner import train
from tdmpc2_bench.sinks.curves import Curves, Point, Source


def evaluation(env_step: int, mode: str, returns: list[float], **changes: Any) -> dict[str, Any]:
    row = {
        "v": 1, "seq": 0, "env_step": env_step, "agent_step": env_step // 2, "task": "toy-point",
        "mode": mode, "return": returns, "success_last": [None] * len(returns),
    }  # fmt: skip
    return {**row, **changes}


def episode(env_step: int, **values: Any) -> dict[str, Any]:
    row = {"v": 1, "seq": 0, "env_step": env_step, "agent_step": env_step // 2, "updates": 7}
    return {**row, "episode": 0, "time": 1000.0 + env_step, **values}


def points(evals: list[dict[str, Any]], train: list[dict[str, Any]]) -> list[Point]:
    return list(Curves(1000.0).points(evals=evals, train=train))


def test_the_headline_mode_is_also_shown_without_its_name() -> None:
    evals = [
        evaluation(0, "plan", [1.0, 3.0], success_last=[True, False]),
        evaluation(0, "sample", [4.0]),
    ]
    first, second = points(evals, [])
    assert first.scalars == {
        "eval/plan/return": 2.0, "eval/plan/success": 0.5,
        "eval/return": 2.0, "eval/success": 0.5,
    }  # fmt: skip
    assert second.scalars == {"eval/sample/return": 4.0}


@pytest.mark.parametrize("pause", [0, 1, 2, 3, 4, 5])
def test_the_gap_is_shown_once_per_evaluation_whenever_its_lines_are_read(pause: int) -> None:
    modes = {"plan": 5.0, "mean": 3.0, "sample": 1.0}
    rows = [
        evaluation(step, mode, [value + step]) for step in (0, 100) for mode, value in modes.items()
    ]
    curves = Curves(0.0)
    found = [
        (point.env_step, point.scalars["eval/gap"])
        for part in (rows[:pause], rows[pause:])
        for point in curves.points(evals=part, train=[])
        if "eval/gap" in point.scalars
    ]
    assert found == [(0, 2.0), (100, 2.0)]


def test_of_an_episode_its_numbers_are_shown_and_not_its_place() -> None:
    row = episode(40, **{"return": 3.0, "success": True, "loss": None, "length": 20})
    (point,) = points([], [row])
    assert point.scalars == {"train/return": 3.0, "train/success": 1.0, "train/length": 20.0}
    assert (point.env_step, point.seconds, point.row) == (40, 1040.0, row)


def test_points_come_by_step_and_an_episode_before_the_evaluation_after_it() -> None:
    evals = [evaluation(step, "mean", [0.0]) for step in (0, 100, 200)]
    found = points(evals, [episode(step) for step in (40, 100, 160)])
    assert [(point.env_step, point.log) for point in found] == [
        (0, "evals"), (40, "train"), (100, "train"), (100, "evals"), (160, "train"), (200, "evals")
    ]  # fmt: skip


def test_an_evaluation_has_the_time_of_the_episode_before_it() -> None:
    evals = [evaluation(step, "mean", [0.0]) for step in (0, 100)]
    found = points(evals, [episode(40), episode(160)])
    assert [point.seconds for point in found] == [1000.0, 1040.0, 1040.0, 1160.0]


@pytest.mark.usefixtures("registered_learner")
def test_a_cell_keeps_its_key_when_it_is_continued_and_no_other_has_it(tmp_path: Path) -> None:
    def key(todo: Any) -> str:
        cell = cell_of(todo)
        return Source.of(cell, cell.attempts()[-1], began=0.0).key

    todo, other = job(tmp_path / "runs"), job(tmp_path / "others")
    train(todo, StopAfter(150))
    before = key(todo)
    finish(todo)
    finish(other)
    assert len(cell_of(todo).attempts()) == 2
    assert key(todo) == before != key(other)
