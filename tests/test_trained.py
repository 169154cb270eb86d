"""A trained agent is found in a cell, in its checkpoints, and in a file of weights alone."""

import shutil
from pathlib import Path

import pytest
from cells import StopAfter, cell_of, finish
from learner import job

from tdmpc2_bench import checkpoint, evaluation, trained
from tdmpc2_bench.errors import DamagedFile, Exit, UsageError
from tdmpc2_bench.runner import train

pytestmark = pytest.mark.usefixtures("registered_learner")


def returns(path: Path) -> dict[str, list[float]]:
    found = evaluation.evaluate(trained.find(path), episodes=2)
    return {mode: one.returns for mode, one in found.items()}


def test_a_cell_its_last_checkpoint_and_its_weights_play_alike(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path / "runs", steps=200, eval_every=100))
    cell = returns(attempt.path.parent)
    lone = tmp_path / "weights.safetensors"
    shutil.copy(attempt.weights, lone)
    last = max(attempt.checkpoints.iterdir(), key=lambda path: int(path.name.split("-")[0]))
    assert returns(lone) == cell
    assert returns(last) == cell


def test_weights_kept_along_the_way_play_as_they_did_then(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path / "runs", steps=200, eval_every=100, keep_every=100))
    half = finish(job(tmp_path / "half", steps=100, eval_every=100))
    assert returns(attempt.kept_weights(100)) == returns(half.weights)
    assert returns(attempt.kept_weights(100)) != returns(attempt.weights)


def test_an_unfinished_cell_plays_from_its_newest_checkpoint(tmp_path: Path) -> None:
    todo = job(tmp_path / "runs", steps=400, eval_every=100)
    assert train(todo, StopAfter(200)) == Exit.INTERRUPTED
    found = trained.find(cell_of(todo).path)
    assert "checkpoint attempt-1" in found.source and "agent steps" in found.source
    assert returns(cell_of(todo).path)


def test_a_cell_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    todo = job(tmp_path / "runs", steps=400, eval_every=100)
    train(todo, StopAfter(0))
    with pytest.raises(UsageError, match="no checkpoint yet"):
        trained.find(cell_of(todo).path)


def test_what_holds_no_agent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no trained agent"):
        trained.find(tmp_path)
    pickled = tmp_path / "agent.pt"
    pickled.write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    with pytest.raises(UsageError, match="is not opened, since other formats can run code"):
        trained.find(pickled)
    disguised = tmp_path / "agent.safetensors"
    shutil.copy(pickled, disguised)
    with pytest.raises(DamagedFile, match="is not a safetensors file"):
        trained.find(disguised)
    assert not Path("canary").exists()


def test_weights_of_other_programs_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    checkpoint.write_weights(path, {}, {"agent": "learner"})
    with pytest.raises(UsageError, match="preset, overrides, task, seed missing"):
        trained.find(path)
