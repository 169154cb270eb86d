"""A runner trains a cell to its budget once, whatever interrupts it, and says what it did."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import learner
import numpy as np
import pytest
from cells import StopAfter, cell_of, finish, results
from learner import job
from numpy.typing import NDArray
from run_learner import Fault, Where, run

from tdmpc2_bench import checkpoint, failure, ownership, protocol, record, registry
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import (
    BenchError,
    DamagedFile,
    Exit,
    NotReproducible,
    ProtocolMismatch,
    SuiteUnavailable,
    UsageError,
)
from tdmpc2_bench.job import StopRequest
from tdmpc2_bench.results import read_chain
from tdmpc2_bench.runner import train
from tdmpc2_bench.suites.toy_simulation import Point

pytestmark = pytest.mark.usefixtures("registered_learner")


@pytest.fixture
def ended_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """`train` stands for a process of its own, which has ended by the next call."""
    real = ownership.identity
    monkeypatch.setattr(ownership, "identity", lambda: {**real(), "process_start": "before"})


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of everything below a folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def csv_rows(attempt: AttemptDir) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(attempt.evals_csv.read_text())))


def events(cell: CellDir) -> list[str]:
    """What happened, over all attempts."""
    return [row["event"] for one in cell.attempts() for row in record.read_log(one.events).rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Results of the usual job, trained in one go."""
    root = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "agent", learner.agent)
        return results(finish(job(root)))


# A finished cell


def test_a_finished_cell_has_all_its_files(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path))
    cell = tmp_path / "learner" / "default" / "toy-point" / "1"
    assert {"run.json", "attempt-1"} == {path.name for path in cell.iterdir()}
    expected = {
        "start.json", "heartbeat", "evals.jsonl", "train.jsonl", "events.jsonl", "checkpoints",
        "replay", "evals.csv", "weights.safetensors", "DONE.json",
    }  # fmt: skip
    assert expected == {path.name for path in attempt.path.iterdir()}
    assert {"150-149", "200-199"} == {path.name for path in attempt.checkpoints.iterdir()}
    assert not list(tmp_path.rglob(".*"))


def test_the_manifest_says_what_the_cell_is(tmp_path: Path) -> None:
    todo = job(tmp_path, overrides={"batch_size": 4, "seed_steps": 30}, steps=40)
    finish(todo)
    manifest = record.read_json(cell_of(todo).manifest)
    config = dataclasses.asdict(learner.LearnerConfig(batch_size=4))
    assert config == manifest["config"]
    wanted = {
        "agent": "learner", "variant": "batch_size=4", "task": "toy-point", "seed": 1,
        "preset": "plain", "overrides": todo.overrides, "revision": 1, "suite": "toy",
    }  # fmt: skip
    assert manifest == manifest | wanted
    conditions = manifest["protocol"]
    assert conditions == conditions | {
        "task": "toy-point",
        "env_id": "point/1",
        "action_repeat": 2,
        "episode_steps": 40,
        "observation": "state",
        "simulator": {"numpy": np.__version__},
    }
    assert protocol.fingerprint(conditions) == manifest["fingerprint"]
    assert np.__version__ == manifest["versions"]["numpy"]
    assert {"git_commit", "python", "platform"} < set(manifest["provenance"])


def test_the_start_says_who_does_what(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path, steps=200))
    start = ownership.read_start(attempt)
    wanted = {"parent": None, "steps": 200, "eval_every": 100, "eval_episodes": 2, "lanes": 1}
    assert start == start | wanted | {"pid": os.getpid()}
    assert {"host", "boot", "process_start", "nonce"} < set(start)


def test_evaluations_hold_what_was_played_and_nothing_of_the_machine(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path))
    found = record.read_log(attempt.evals)
    assert not found.torn
    columns = {
        "v", "seq", "env_step", "agent_step", "task", "mode",
        "return", "success_last", "success_any", "length",
    }  # fmt: skip
    assert all(columns == set(row) for row in found.rows)
    expected = [(step, mode) for step in range(0, 401, 100) for mode in ("mean", "sample")]
    assert expected == [(row["env_step"], row["mode"]) for row in found.rows]
    assert all(row["agent_step"] * 2 == row["env_step"] for row in found.rows)
    assert all(len(row["return"]) == 2 for row in found.rows)
    assert all(row["length"] == [20, 20] for row in found.rows)


def test_evals_csv_has_a_row_per_evaluation_mode_and_episode(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path))
    rows = csv_rows(attempt)
    expected = [
        (row["env_step"], row["mode"], episode, row["return"][episode])
        for row in record.read_log(attempt.evals).rows
        for episode in range(2)
    ]
    assert expected == [
        (int(row["env_step"]), row["mode"], int(row["episode"]), float(row["return"]))
        for row in rows
    ]
    assert {"toy-point"} == {row["task"] for row in rows}
    assert {"True", "False"} >= {row["success_last"] for row in rows}


def test_equal_runs_give_equal_bytes(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    attempt = finish(job(tmp_path / "here"))
    other = finish(job(tmp_path / "there"))
    assert undisturbed == results(attempt)
    assert attempt.evals.read_bytes() == other.evals.read_bytes()
    assert undisturbed != results(finish(job(tmp_path / "here", seed=2)))


def test_training_is_recorded_by_episode(tmp_path: Path) -> None:
    rows = record.read_log(finish(job(tmp_path)).train).rows
    assert list(range(40, 401, 40)) == [row["env_step"] for row in rows]
    assert list(range(10)) == [row["episode"] for row in rows]
    assert "loss" not in rows[0]
    assert all(np.isfinite(row["loss"]) for row in rows[1:])
    assert all(row["updates"] <= row["agent_step"] for row in rows)


def test_done_vouches_for_the_results(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path))
    done = record.read_json(attempt.done)
    assert done == done | {"status": "done", "env_step": 400, "agent_step": 200, "updates": 199}
    assert {"evals.jsonl", "evals.csv", "weights.safetensors"} == set(done["files"])
    for name, entry in done["files"].items():
        assert entry["size"] == (attempt.path / name).stat().st_size


def test_the_weights_are_those_of_the_last_evaluation(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path))
    state = checkpoint.decode(attempt.checkpoints / "200-199")
    saved = state["interaction"]["agent"]["weights"]
    assert saved.tobytes() == checkpoint.read_weights(attempt.weights)["weights"].tobytes()


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [
        (0, 100, [0]),
        (100, 1000, [0, 100]),
        (500, 150, [0, 150, 300, 450, 500]),  # in the middle of episodes of 40
        (90, 30, [0, 30, 60, 90]),
        (40, 2, list(range(0, 41, 2))),
        (101, 50, [0, 50, 100, 102]),  # the budget ends within an agent step
    ],
)
def test_evaluations_come_at_their_exact_steps(
    tmp_path: Path, steps: int, every: int, expected: list[int]
) -> None:
    attempt = finish(job(tmp_path, steps=steps, eval_every=every, eval_episodes=1))
    found = [int(row["env_step"]) for row in csv_rows(attempt) if row["mode"] == "mean"]
    assert expected == found


def test_the_cadence_of_evaluations_does_not_change_training(tmp_path: Path) -> None:
    weights = {
        finish(job(tmp_path / str(every), eval_every=every)).weights.read_bytes()
        for every in (7, 100, 1000)
    }
    assert len(weights) == 1


def test_training_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import json, sys; sys.path.append(sys.argv[1])\n"
        "import learner\n"
        "from tdmpc2_bench import registry, runner\n"
        "from tdmpc2_bench.job import Job, StopRequest\n"
        "registry.agent = learner.agent\n"
        "runner.train(Job(**json.loads(sys.argv[2])), StopRequest())\n"
        "sys.exit('torch' in sys.modules or 'dm_control' in sys.modules)"
    )
    todo = json.dumps(dataclasses.asdict(job(tmp_path)))
    arguments = [str(Path(learner.__file__).parent), todo]
    subprocess.run([sys.executable, "-P", "-c", program, *arguments], check=True)


def test_the_uniform_agent_runs_by_the_real_command(tmp_path: Path) -> None:
    todo = job(tmp_path, agent="uniform", preset="uniform", steps=80)
    command = [sys.executable, "-P", "-m", "tdmpc2_bench.runner"]
    argument = json.dumps(dataclasses.asdict(todo))
    for _ in range(2):
        subprocess.run([*command, argument], check=True, cwd=Path(__file__).parents[1])
    assert [attempt.number for attempt in cell_of(todo).attempts()] == [1]
    assert cell_of(todo).finished() is not None


# The same again, and more


def test_the_same_again_changes_no_file(tmp_path: Path) -> None:
    todo = job(tmp_path)
    finish(todo)
    before = snapshot(tmp_path)
    assert train(todo, StopRequest()) == Exit.OK
    assert train(dataclasses.replace(todo, steps=200), StopRequest()) == Exit.OK
    assert run(todo) == Exit.OK
    assert before == snapshot(tmp_path)


def test_a_finished_cell_of_another_machine_is_known_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nobody to wait for."""
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "elsewhere")
        finish(job(tmp_path))

    began = time.monotonic()
    finish(job(tmp_path, stale_seconds=20.0))
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("first", [400, 350, 230, 2, 0])
def test_a_larger_budget_extends_a_cell(tmp_path: Path, first: int) -> None:
    """As if it had been trained that far at once; an evaluation only the end called for is no
    part of the longer run.
    """
    expected = finish(job(tmp_path / "at_once", steps=700))
    part = finish(job(tmp_path / "parts", steps=first))
    before = snapshot(part.path)
    whole = finish(job(tmp_path / "parts", steps=700))
    assert [attempt.number for attempt in cell_of(job(tmp_path / "parts")).attempts()] == [1, 2]
    assert results(expected) == results(whole)
    kept = {"evals.csv", "DONE.json", "evals.jsonl", "weights.safetensors", "start.json"}
    after = snapshot(part.path)
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}


def test_a_finished_cell_without_checkpoints_is_not_silently_begun_anew(tmp_path: Path) -> None:
    assert train(job(tmp_path, steps=40), StopRequest()) == Exit.OK
    for folder in tmp_path.rglob("checkpoints/*"):
        shutil.rmtree(folder)
    with pytest.raises(DamagedFile, match="cannot be extended"):
        train(job(tmp_path, steps=80), StopRequest())


def test_a_cell_may_be_extended_in_many_parts(tmp_path: Path) -> None:
    expected = finish(job(tmp_path / "at_once", steps=300))
    for steps in range(20, 300, 56):
        finish(job(tmp_path / "parts", steps=steps))
    assert results(expected) == results(finish(job(tmp_path / "parts", steps=300)))


# Stopping and going on


def test_a_runner_that_is_stopped_ever_so_often_gets_there(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    """Seeding, burst, evaluations and all: it is stopped at its n-th look for a request."""
    todo = job(tmp_path)
    looks = np.random.default_rng(0)
    stops = 0
    while train(todo, StopAfter(int(looks.integers(0, 120)))) != Exit.OK:
        stops += 1
        assert stops < 200
    assert stops > 10
    assert undisturbed == results(finish(todo))
    chain = read_chain(cell_of(todo), finish(todo), "evals")
    assert [(step, mode) for step in range(0, 401, 100) for mode in ("mean", "sample")] == [
        (row["env_step"], row["mode"]) for row in chain
    ]


def test_training_lines_are_not_lost_or_repeated_over_stops(tmp_path: Path) -> None:
    todo = job(tmp_path)
    while train(todo, StopAfter(90)) != Exit.OK:
        pass
    chain = read_chain(cell_of(todo), finish(todo), "train")
    assert list(range(10)) == [row["episode"] for row in chain]


def test_a_stop_before_the_first_step_leaves_nothing_to_continue(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    todo = job(tmp_path)
    assert train(todo, StopAfter(0)) == Exit.INTERRUPTED
    assert checkpoint.newest(cell_of(todo)) is None
    result = finish(todo)
    assert ownership.read_start(result)["parent"] is None
    assert undisturbed == results(result)


@pytest.mark.parametrize(
    ("where", "number", "signals", "saved"),
    [
        ("update", 10, ("SIGTERM",), "31-10"),  # in the burst after seeding
        ("act", 60, ("SIGINT",), "60-58"),
        ("act", 8, ("SIGUSR1",), "8-0"),
        ("update", 90, ("SIGUSR2",), "91-90"),
        ("evaluate", 90, ("SIGTERM",), "100-99"),  # the third evaluation
        ("evaluate", 3, ("SIGUSR2",), None),  # the first one, before anything was done
        ("checkpoint", 15, ("SIGTERM",), "100-99"),
        ("update", 40, ("SIGUSR1", "SIGUSR2", "SIGTERM"), "41-40"),
        ("evaluate", 50, ("SIGINT", "SIGTERM", "SIGINT"), "50-49"),
        ("checkpoint", 5, ("SIGUSR1", "SIGTERM"), "50-49"),
    ],
)
def test_signals_stop_a_runner_and_lose_nothing(
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    *,
    where: Where,
    number: int,
    signals: tuple[str, ...],
    saved: str | None,
) -> None:
    todo = job(tmp_path)
    assert run(todo, Fault(where=where, number=number, signals=signals)) == Exit.INTERRUPTED
    found = checkpoint.newest(cell_of(todo))
    assert saved == (found.name if found else None)
    assert events(cell_of(todo))[-1] == "interrupted"
    assert cell_of(todo).finished() is None
    result = finish(todo)
    assert undisturbed == results(result)
    parent = ownership.read_start(result)["parent"]
    assert saved == (parent["checkpoint"] if parent else None)


def test_an_evaluation_under_way_is_thrown_away_and_due_again(tmp_path: Path) -> None:
    todo = job(tmp_path)
    evaluation = 2 * 20  # steps, in two modes
    # The second evaluation is stopped in its second mode.
    fault = Fault(where="evaluate", number=evaluation + 30, signals=("SIGTERM",))
    assert run(todo, fault) == Exit.INTERRUPTED
    steps = [row["env_step"] for row in record.read_log(cell_of(todo).attempt(1).evals).rows]
    assert steps == [0, 0]
    finish(todo)
    steps = [row["env_step"] for row in record.read_log(cell_of(todo).attempt(2).evals).rows]
    assert steps[:2] == [100, 100]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"])
def test_every_request_to_stop_is_heard(name: str) -> None:
    number = signal.Signals[name]
    before = signal.getsignal(number)
    stop = StopRequest()
    with stop.listening():
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert before == signal.getsignal(number)


def test_a_signal_that_comes_at_the_very_end_changes_no_exit_code(tmp_path: Path) -> None:
    fault = Fault(where="exit", number=1, signals=("SIGTERM", "SIGUSR1"))
    assert run(job(tmp_path), fault) == Exit.OK


# Conditions that changed


def other_preset(patch: pytest.MonkeyPatch) -> None:
    changed = {"plain": learner.LearnerConfig(batch_size=9)}
    patch.setattr(learner, "ENTRY", dataclasses.replace(learner.ENTRY, presets=changed))


def other_revision(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(learner, "ENTRY", dataclasses.replace(learner.ENTRY, revision=77))


def other_simulator(patch: pytest.MonkeyPatch) -> None:
    real = protocol.versions
    patch.setattr(protocol, "versions", lambda *args: {**real(*args), "numpy": "77.0"})


def other_protocol(patch: pytest.MonkeyPatch) -> None:
    real = protocol.protocol
    patch.setattr(
        protocol, "protocol", lambda *args, **kwargs: {**real(*args, **kwargs), "success": "77"}
    )


def other_torch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "learning_versions", lambda _: {"numpy": "1", "torch": "77"})


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (other_preset, r"config\.batch_size: begun with 8, now 9"),
        (other_revision, r"revision: begun with 1, now 77"),
        (other_simulator, r"protocol\.simulator\.numpy: begun with '.*', now '77\.0'"),
        (other_protocol, r"protocol\.success: begun with 'last step', now '77'"),
        (other_torch, r"versions\.torch: begun with .*, now '77'"),
    ],
)
def test_a_cell_begun_under_other_conditions_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    difference: str,
    *,
    finished: bool,
) -> None:
    todo = job(tmp_path)
    train(todo, StopRequest() if finished else StopAfter(100))
    before = snapshot(tmp_path)
    with monkeypatch.context() as patch:
        change(patch)
        with pytest.raises(ProtocolMismatch, match=difference):
            train(dataclasses.replace(todo, steps=1000), StopRequest())
    assert before == snapshot(tmp_path)
    finish(todo)


def test_budget_and_cadence_are_no_conditions(tmp_path: Path) -> None:
    train(job(tmp_path), StopAfter(200))
    changes = {"eval_every": 60, "eval_episodes": 1, "steps": 300, "checkpoint_seconds": 5.0}
    finish(job(tmp_path, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"preset": "none"}, {"task": "toy-pint"}, {"agent": "learners"}],
)
def test_a_request_that_is_wrong_writes_nothing(tmp_path: Path, changes: dict[str, str]) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(UsageError):
        train(job(tmp_path / "runs", **changes), StopRequest())
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.usefixtures("toy_cannot_run")
def test_a_suite_that_cannot_run_is_refused_by_name_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(SuiteUnavailable, match="toy"):
        train(job(tmp_path / "runs", task="toy-plane"), StopRequest())
    assert not list((tmp_path / "runs").iterdir())


# Damage


@pytest.mark.parametrize("name", ["evals.jsonl", "evals.csv", "weights.safetensors"])
def test_a_damaged_result_is_reported_and_not_trained_again(tmp_path: Path, name: str) -> None:
    todo = job(tmp_path)
    path = finish(todo).path / name
    whole = path.read_bytes()
    for data in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-1], b""):
        path.write_bytes(data)
        before = snapshot(tmp_path)
        with pytest.raises(DamagedFile, match=name):
            train(todo, StopRequest())
        assert before == snapshot(tmp_path)
    assert run(todo) == Exit.FAILED
    path.unlink()
    with pytest.raises(DamagedFile, match=name):
        train(todo, StopRequest())
    path.write_bytes(whole)  # at another time, but the same
    finish(todo)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_damaged_done_is_reported(tmp_path: Path, cut: int) -> None:
    todo = job(tmp_path, steps=20)
    path = finish(todo).done
    path.write_bytes(path.read_bytes()[: cut - 20])
    with pytest.raises(DamagedFile, match=r"DONE\.json"):
        train(todo, StopRequest())


def test_a_damaged_manifest_is_reported(tmp_path: Path) -> None:
    todo = job(tmp_path, steps=20)
    finish(todo)
    manifest = cell_of(todo).manifest
    manifest.write_bytes(manifest.read_bytes()[:-10])
    with pytest.raises(DamagedFile, match=r"run\.json"):
        train(todo, StopRequest())


def test_a_damaged_log_of_an_ancestor_stops(tmp_path: Path) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(200))
    log = cell_of(todo).attempt(1).evals
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) > 2
    for number in (0, len(lines) - 1):  # the last one too: a checkpoint recorded it
        damaged = [*lines[:number], lines[number].replace(b"r", b"s", 1), *lines[number + 1 :]]
        log.write_bytes(b"".join(damaged))
        with pytest.raises(DamagedFile, match=r"evals\.jsonl"):
            train(todo, StopRequest())
    log.write_bytes(whole)
    finish(todo)


def test_a_damaged_checkpoint_gives_way_with_an_event(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(250))
    newest, previous = sorted(
        cell_of(todo).attempt(1).checkpoints.iterdir(),
        key=lambda path: int(path.name.split("-")[0]),
        reverse=True,
    )
    (newest / "state.safetensors").write_bytes(b"")
    result = finish(todo)
    assert undisturbed == results(result)
    assert previous.name == ownership.read_start(result)["parent"]["checkpoint"]
    (event,) = (
        row for row in record.read_log(result.events).rows if row["event"] == "checkpoint_damaged"
    )
    assert newest.name in event["reason"]


def test_without_a_sound_checkpoint_it_stops(tmp_path: Path) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(250))
    for path in cell_of(todo).attempt(1).checkpoints.iterdir():
        (path / "state.json").write_bytes(b"")
    before = snapshot(tmp_path)
    with pytest.raises(DamagedFile, match="no checkpoint"):
        train(todo, StopRequest())
    assert before == snapshot(tmp_path)
    assert run(todo) == Exit.FAILED


def test_a_simulator_that_does_not_repeat_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = job(tmp_path)
    train(todo, StopAfter(100))
    real = Point.reset

    def drifted(self: Point, seed: int) -> NDArray[Any]:
        return real(self, seed + 1)

    with monkeypatch.context() as patch:
        patch.setattr(Point, "reset", drifted)
        with pytest.raises(NotReproducible):
            train(todo, StopRequest())
    (failed,) = (
        row
        for row in record.read_log(cell_of(todo).attempt(2).events).rows
        if row["event"] == "failed"
    )
    assert failed["failure"] == "code"
    assert failed["reason"].startswith("NotReproducible: ")
    finish(todo)


# Endings that are no success


def test_divergence_is_a_result(tmp_path: Path) -> None:
    todo = job(tmp_path, overrides={"diverge_at": 120})
    attempt = finish(todo)
    done = record.read_json(attempt.done)
    assert done == done | {"status": "diverged", "updates": 120}
    assert [kind for kind in events(cell_of(todo)) if kind == "diverged"] == ["diverged"]
    steps = {int(row["env_step"]) for row in csv_rows(attempt)}
    assert {0, 100, 200} == steps  # what was found before stays
    before = snapshot(tmp_path)
    finish(todo)
    finish(dataclasses.replace(todo, steps=1000))  # final: not tried again
    assert run(todo) == Exit.OK
    assert before == snapshot(tmp_path)


def test_divergence_ends_a_resumed_cell_too(tmp_path: Path) -> None:
    todo = job(tmp_path, overrides={"diverge_at": 120})
    expected = finish(dataclasses.replace(todo, root=str(tmp_path / "at_once")))
    train(todo, StopAfter(100))
    found = finish(todo)
    assert expected.evals_csv.read_bytes() == found.evals_csv.read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_is_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    real = Point.step
    monkeypatch.setattr(Point, "step", lambda *args: real(*args)._replace(reward=value))
    attempt = finish(job(tmp_path))
    assert record.read_json(attempt.done)["status"] == "diverged"
    assert csv_rows(attempt) == []


def test_a_failure_is_recorded_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, bytes]
) -> None:
    todo = job(tmp_path)
    cell = cell_of(todo)
    with monkeypatch.context() as patch:
        failing = {"plain": learner.LearnerConfig(fail_at=120)}
        patch.setattr(learner, "ENTRY", dataclasses.replace(learner.ENTRY, presets=failing))
        with pytest.raises(RuntimeError, match="told to fail"):
            train(todo, StopRequest())
    (failed,) = (r for r in record.read_log(cell.attempt(1).events).rows if r["event"] == "failed")
    assert failed["failure"] == "code"
    found = failure.read(cell.attempt(1))
    assert found is not None
    assert found.reason == failed["reason"] == "RuntimeError: told to fail"
    assert "learner.py" in found.traceback
    assert cell.finished() is None
    config = json.loads(cell.manifest.read_text())  # the code was repaired
    config["config"]["fail_at"] = None
    cell.manifest.write_text(json.dumps(config))
    assert undisturbed == results(finish(todo))


def test_exit_codes(tmp_path: Path) -> None:
    assert run(job(tmp_path / "a", overrides={"fail_at": 10})) == Exit.FAILED
    assert run(job(tmp_path / "b", preset="none")) == Exit.USAGE


# A disk that is full


DISK_CALLS = ("write", "fsync", "replace", "rename")


@pytest.mark.usefixtures("ended_owner")  # its goodbye finds no room either
@pytest.mark.parametrize("spacing", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_full_disk_stops_with_its_name_and_loses_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, bytes],
    spacing: int,
) -> None:
    """At whichever call it shows; training goes on once there is room again."""
    calls = 0
    full_from = 10**9

    def limited(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= full_from:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        return wrapped

    monkeypatch.setattr(ownership, "BEAT_SECONDS", 1000.0)  # its calls are not ours to count
    for name in DISK_CALLS:
        monkeypatch.setattr(os, name, limited(getattr(os, name)))
    finish(job(tmp_path / "count"))
    total = calls - 2  # the heart's last beat may fail
    assert 50 < total < 300
    for number in range(1, total + 1, spacing):
        todo = job(tmp_path / str(number))
        calls, full_from = 0, number
        with pytest.raises(BenchError, match=rf"{number}/.*No space left.*MiB free"):
            train(todo, StopRequest())
        full_from = 10**9
        assert undisturbed == results(finish(todo)), f"full from call {number} on"
        assert not list(Path(todo.root).rglob(".*.tmp-*"))
        shutil.rmtree(todo.root)


def test_a_results_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"in the way")
    with pytest.raises(BenchError, match="file"):
        train(job(place), StopRequest())


# A chain of attempts


def test_attempts_form_a_chain(tmp_path: Path) -> None:
    todo = job(tmp_path)
    while train(todo, StopAfter(70)) != Exit.OK:
        pass
    attempts = cell_of(todo).attempts()
    assert len(attempts) > 3
    for earlier, later in pairwise(attempts):
        parent = ownership.read_start(later)["parent"]
        assert parent is None or parent["attempt"] <= earlier.number
    assert events(cell_of(todo)).count("started") == len(attempts)
