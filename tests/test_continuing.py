"""Cells go on in spite of damage, drift and change when told to, and their results say so."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import learner
import pytest
from cells import StopAfter, cell_of, finish, results
from learner import job
from numpy.typing import NDArray

from tdmpc2_bench import checkpoint, done, ownership, record, registry, status
from tdmpc2_bench.celldir import AttemptDir
from tdmpc2_bench.errors import DamagedFile
from tdmpc2_bench.index import load
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.runner import train
from tdmpc2_bench.suites.toy_simulation import Point

pytestmark = pytest.mark.usefixtures("registered_learner")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Results of the usual job, trained in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "agent", learner.agent)
        return results(finish(job(tmp_path_factory.mktemp("undisturbed"))))


def allowing(todo: Job, *what: str) -> Job:
    return dataclasses.replace(todo, allow=what)


def damage_checkpoints(attempt: AttemptDir) -> None:
    for path in attempt.checkpoints.iterdir():
        (path / "state.json").write_bytes(b"")


def parent(attempt: AttemptDir) -> Any:
    return ownership.read_start(attempt)["parent"]


def test_without_a_sound_checkpoint_a_cell_is_trained_anew_if_allowed(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(250))
    damage_checkpoints(cell_of(todo).attempt(1))
    with pytest.raises(DamagedFile, match="--allow damaged"):
        train(todo, StopRequest())
    result = finish(allowing(todo, "damaged"))
    assert undisturbed == results(result)
    assert parent(result) is None
    assert done.read(result)["marks"] == []  # nothing of the damage is in it


def test_what_was_begun_anew_is_continued_without_being_told(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(250))
    damage_checkpoints(cell_of(todo).attempt(1))
    train(allowing(todo, "damaged"), StopAfter(250))
    result = finish(todo)
    assert undisturbed == results(result)
    assert parent(result)["attempt"] == 2


@pytest.mark.parametrize("name", ["evals.jsonl", "weights.safetensors", "DONE.json"])
def test_a_damaged_result_is_replaced_by_a_new_one_if_allowed(
    tmp_path: Path, undisturbed: dict[str, bytes], name: str
) -> None:
    todo = job(tmp_path)
    damaged = finish(todo).path / name
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match="--allow damaged"):
        train(todo, StopRequest())
    train(allowing(todo, "damaged"), StopAfter(250))
    result = finish(allowing(todo, "damaged"))
    assert undisturbed == results(result)
    assert parent(result)["attempt"] == 2  # not begun a third time
    assert status.statuses(tmp_path)[0].status == "done"


def test_a_result_whose_checkpoints_are_gone_is_extended_anew_if_allowed(tmp_path: Path) -> None:
    finish(job(tmp_path, steps=200, keep="weights"))
    longer = job(tmp_path, steps=400)
    with pytest.raises(DamagedFile, match="cannot be extended"):
        train(longer, StopRequest())
    assert parent(finish(allowing(longer, "damaged"))) is None


def test_an_episode_that_does_not_repeat_is_dropped_if_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(110))
    before = checkpoint.newest(cell_of(todo))
    assert before is not None
    standing = before.state["interaction"]["interaction"]
    assert len(standing["actions"]) > 0  # it is in the middle of an episode
    real = Point.reset

    def drifted(self: Point, seed: int) -> NDArray[Any]:
        return real(self, seed + 1)

    monkeypatch.setattr(Point, "reset", drifted)
    result = finish(allowing(todo, "inexact"))
    (marked,) = (r for r in record.read_log(result.events).rows if r["event"] == "marked")
    assert marked["mark"] == "inexact"
    assert "other observations" in marked["reasons"][0]
    assert done.read(result)["marks"] == ["inexact"]
    episodes = [row["episode"] for row in record.read_log(result.train).rows]
    assert episodes[0] == standing["episode"] + 1
    assert status.statuses(tmp_path)[0].marks == ("inexact",)
    assert set(load(tmp_path)["marks"]) == {"inexact"}


def test_nothing_is_marked_when_the_episode_repeats(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    todo = allowing(job(tmp_path), "inexact", "changed", "damaged")
    train(todo, StopAfter(110))
    result = finish(todo)
    assert undisturbed == results(result)
    assert done.read(result)["marks"] == []


def test_a_cell_begun_under_other_conditions_is_continued_if_allowed_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(110))
    entry = dataclasses.replace(learner.ENTRY, revision=77)
    monkeypatch.setattr(learner, "ENTRY", entry)
    train(allowing(todo, "changed"), StopAfter(110))
    result = finish(allowing(todo, "changed"))
    (marked, *_) = (r for r in record.read_log(result.events).rows if r["event"] == "marked")
    assert marked["reasons"] == ["revision: begun with 1, now 77"]
    assert done.read(result)["marks"] == ["changed"]


def test_a_mark_follows_the_checkpoints_it_concerns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that goes back to before the change is as good as ever."""
    todo = job(tmp_path)
    train(todo, StopAfter(110))
    with monkeypatch.context() as patch:
        patch.setattr(learner, "ENTRY", dataclasses.replace(learner.ENTRY, revision=77))
        train(allowing(todo, "changed"), StopAfter(0))
    shutil.rmtree(cell_of(todo).attempt(2).checkpoints)  # as if killed before it saved
    assert done.read(finish(todo))["marks"] == []


# What stays of a finished cell


@pytest.mark.parametrize(
    ("keep", "checkpoints", "replay"),
    [("all", True, True), ("replay", False, True), ("weights", False, False)],
)
def test_what_stays_is_what_was_asked_for(
    tmp_path: Path, keep: str, undisturbed: dict[str, bytes], *, checkpoints: bool, replay: bool
) -> None:
    todo = job(tmp_path, keep=keep)
    train(todo, StopAfter(110))
    result = finish(todo)
    assert undisturbed == results(result)
    every = cell_of(todo).attempts()
    assert len(every) == 2
    assert any(one.checkpoints.exists() for one in every) == checkpoints
    assert any(any(one.replay.glob("*")) for one in every) == replay
    assert train(todo, StopRequest()) == 0  # it is done all the same


def test_weights_are_kept_along_the_way(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    todo = job(tmp_path, keep_every=150)
    train(todo, StopAfter(300))
    result = finish(todo)
    assert undisturbed == results(result)
    first = cell_of(todo).attempt(1)
    assert [path.name for path in first.kept_weights(150).parent.iterdir()] == ["150.safetensors"]
    assert [path.name for path in result.kept_weights(300).parent.iterdir()] == ["300.safetensors"]
    shorter = finish(job(tmp_path / "shorter", steps=300))
    assert result.kept_weights(300).read_bytes() == shorter.weights.read_bytes()
