"""A runner that is killed, at whatever moment, loses only time.

Moments are counted, not timed: the n-th update, decision or call that changes files. So they are
the same on a fast machine and a slow one; some get a random delay on top.
"""

from __future__ import annotations

import csv
import io
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learner import job
from run_learner import Fault, run

from tdmpc2_bench import checkpoint
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import Exit
from tdmpc2_bench.job import Job

pytestmark = pytest.mark.usefixtures("registered_learner")

KILLED = -signal.SIGKILL


def cell_of(todo: Job) -> CellDir:
    return CellDir.of(Path(todo.root), todo.cell)


def finish(todo: Job, *, env_worker: bool = False) -> AttemptDir:
    """Run to the end without any fault."""
    assert run(todo, env_worker=env_worker) == Exit.OK
    found = cell_of(todo).finished()
    assert found is not None
    return found


def check(todo: Job, expected: AttemptDir) -> None:
    """The finished cell equals the undisturbed one, and nothing half-written lies in it."""
    found = cell_of(todo).finished()
    assert found is not None
    assert expected.evals_csv.read_bytes() == found.evals_csv.read_bytes()
    assert expected.weights.read_bytes() == found.weights.read_bytes()
    rows = csv.DictReader(io.StringIO(found.evals_csv.read_text()))
    keys = [(row["env_step"], row["mode"], row["episode"]) for row in rows]
    assert len(set(keys)) == len(keys)
    temporaries = {path.name for path in Path(todo.root).rglob(".*.tmp-*")}
    # A heart beats once more after DONE, and from then on nothing in the cell is changed.
    assert temporaries <= {".heartbeat.tmp-beat"}


def random_faults(seed: int, longest: int) -> Iterator[Fault]:
    """Kills at random moments; now and then a request to stop, which saves between updates."""
    rng = np.random.default_rng(seed)
    while True:
        yield Fault(
            where="any",
            number=int(rng.integers(1, longest)),
            signals=("SIGTERM",) if rng.random() < 0.2 else ("SIGKILL",),
            delay=float(rng.uniform(0, 0.01)) if rng.random() < 0.3 else 0.0,
        )


def kill_often(root: Path, kills: int, *, env_worker: bool = False, **settings: Any) -> None:
    """Train cell after cell, disturbed at random, until so many kills have hit.

    What is undisturbed steps its environments itself; ``env_worker``: what is disturbed does not.
    """
    faults = random_faults(kills, longest=500)
    hits = seed = 0
    while hits < kills:
        seed += 1
        todo = job(root / "disturbed", seed=seed, **settings)
        expected = finish(job(root / "undisturbed", seed=seed, **settings))
        code = KILLED
        while code != Exit.OK and hits < kills:
            code = run(todo, next(faults), env_worker=env_worker)
            assert code in {KILLED, Exit.INTERRUPTED, Exit.OK}
            hits += code == KILLED
        finish(todo, env_worker=env_worker)
        check(todo, expected)


# The spacing of evaluations sets that of checkpoints; 26 env steps lie in the middle of episodes.
SETTINGS = {"steps": 600, "eval_every": 26, "eval_episodes": 1}


def test_kills_at_random_moments_change_no_result(tmp_path: Path) -> None:
    kill_often(tmp_path, 5, **SETTINGS)


def test_kills_of_what_has_an_env_worker_change_no_result(tmp_path: Path) -> None:
    kill_often(tmp_path, 4, env_worker=True, **SETTINGS)


@pytest.mark.slow
def test_fifty_kills_at_random_moments_change_no_result(tmp_path: Path) -> None:
    kill_often(tmp_path, 50, **{**SETTINGS, "steps": 2000})


def test_a_kill_inside_a_checkpoint_leaves_the_previous_one(tmp_path: Path) -> None:
    """Before each of its calls: written, made durable, renamed, for each of its files."""
    settings = {"steps": 150, "eval_every": 50, "eval_episodes": 1}
    expected = finish(job(tmp_path / "undisturbed", **settings))
    # A checkpoint makes the three logs durable, writes a segment of the replay (three calls), two
    # files (three calls each), renames their folder and makes that durable.
    first, calls = "25-0", 11
    saved = []
    for number in range(calls + 1, 2 * calls + 1):
        todo = job(tmp_path / str(number), **settings)
        assert run(todo, Fault(where="checkpoint", number=number)) == KILLED
        found = checkpoint.newest(cell_of(todo))
        assert found is not None
        assert found.damaged == ()
        saved.append(found.name)
        finish(todo)
        check(todo, expected)
    assert [first] * (calls - 1) + ["50-49"] == saved  # the last call follows the renaming


@pytest.mark.parametrize("number", [1, 3, 6, 11])
def test_a_kill_inside_the_first_checkpoint_begins_anew(tmp_path: Path, number: int) -> None:
    settings = {"steps": 100, "eval_every": 50, "eval_episodes": 1}
    expected = finish(job(tmp_path / "undisturbed", **settings))
    todo = job(tmp_path / "disturbed", **settings)
    assert run(todo, Fault(where="checkpoint", number=number)) == KILLED
    finish(todo)
    check(todo, expected)


def test_a_kill_while_a_cell_begins_or_ends_changes_no_result(tmp_path: Path) -> None:
    """Inside the manifest, the claim, the first lines, and the results up to DONE."""
    settings = {"steps": 40, "eval_every": 100, "eval_episodes": 1}
    expected = finish(job(tmp_path / "undisturbed", **settings))
    number = 0
    code = KILLED
    while code == KILLED:
        number += 5
        todo = job(tmp_path / str(number), **settings)
        code = run(todo, Fault(where="disk", number=number))
        finish(todo)
        check(todo, expected)
    assert number > 30


# The real learners


TINY = {
    "size": 1, "mlp_dim": 32, "enc_dim": 32, "latent_dim": 16, "num_samples": 32, "num_elites": 8,
    "num_pi_trajs": 4, "batch_size": 16, "iterations": 2,
}  # fmt: skip


def kill_sac(root: Path, faults: list[Fault], **settings: Any) -> None:
    """Train SAC as `kill_learner` does."""
    pytest.importorskip("stable_baselines3", reason="SAC needs it")
    overrides = {"width": 16, "batch_size": 16, "seed_steps": 30}
    kill_learner(root, faults, agent="sac", preset="reference", overrides=overrides, **settings)


def kill_tdmpc2(root: Path, faults: list[Fault], **settings: Any) -> None:
    """Train TD-MPC2, or its relative, undisturbed and disturbed; all faults must hit."""
    pytest.importorskip("torch", reason="TD-MPC2 needs torch")
    kill_learner(root, faults, **{"agent": "tdmpc2", "preset": "paper", **settings})


def kill_learner(root: Path, faults: list[Fault], **settings: Any) -> None:
    """Train a real learner undisturbed and disturbed; all faults must hit."""
    settings = {"eval_episodes": 1, **settings}
    expected = finish(job(root / "undisturbed", **settings))
    todo = job(root / "disturbed", **settings)
    for fault in faults:
        code = run(todo, fault)
        assert code == (KILLED if "SIGKILL" in fault.signals else Exit.INTERRUPTED)
    finish(todo)
    check(todo, expected)


def test_tdmpc2_continues_bit_for_bit(tmp_path: Path) -> None:
    faults = [
        Fault(where="update", number=20, signals=("SIGTERM",)),  # in the burst after seeding
        Fault(where="update", number=12, delay=0.02),
        Fault(where="checkpoint", number=5),
        Fault(where="evaluate", number=10),
    ]
    settings = {"steps": 120, "eval_every": 60, "overrides": {**TINY, "seed_steps": 30}}
    kill_tdmpc2(tmp_path, faults, **settings)


def test_sac_continues_bit_for_bit(tmp_path: Path) -> None:
    faults = [
        Fault(where="update", number=10, signals=("SIGTERM",)),  # in the middle of an episode
        Fault(where="checkpoint", number=5),
    ]
    kill_sac(tmp_path, faults, steps=120, eval_every=60)


@pytest.mark.slow
def test_sac_continues_bit_for_bit_on_dm_control(tmp_path: Path) -> None:
    pytest.importorskip("dm_control", reason="the task's simulator")
    faults = [
        Fault(where="act", number=300),
        Fault(where="update", number=250, signals=("SIGTERM",)),
        Fault(where="evaluate", number=300, signals=("SIGTERM", "SIGUSR2")),
        Fault(where="checkpoint", number=8),
    ]
    kill_sac(tmp_path, faults, task="cartpole-balance", steps=1_240, eval_every=1_100)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["pendulum-swingup", "cartpole-balance"])
def test_tdmpc2_continues_bit_for_bit_on_dm_control(tmp_path: Path, task: str) -> None:
    """The updates of the first 500 steps are owed until the first episode ends."""
    pytest.importorskip("dm_control", reason="the task's simulator")
    overrides = {**TINY, "seed_steps": 20}
    faults = [
        Fault(where="act", number=300),
        Fault(where="update", number=250, signals=("SIGTERM",)),
        Fault(where="update", number=150, delay=0.05),
        Fault(where="evaluate", number=300, signals=("SIGTERM", "SIGUSR2")),
        Fault(where="checkpoint", number=8),
    ]
    kill_tdmpc2(tmp_path, faults, task=task, steps=1_240, eval_every=1_100, overrides=overrides)


# TD-MPC learns after its episodes, so that whole bursts of updates are interrupted.
TINY_TDMPC = {name: value for name, value in TINY.items() if name != "size"}


@pytest.mark.slow
def test_tdmpc_continues_bit_for_bit(tmp_path: Path) -> None:
    """Bursts of 40 and 20 updates; priorities and schedules are part of what continues."""
    faults = [
        Fault(where="update", number=20, signals=("SIGTERM",)),  # in the burst after seeding
        Fault(where="update", number=35, delay=0.02),
        Fault(where="checkpoint", number=5),
        Fault(where="evaluate", number=10),
    ]
    overrides = {**TINY_TDMPC, "seed_steps": 40, "schedule_steps": 80}
    settings = {"steps": 200, "eval_every": 60, "overrides": overrides}
    kill_tdmpc2(tmp_path, faults, agent="tdmpc", **settings)


@pytest.mark.slow
def test_tdmpc_continues_bit_for_bit_on_dm_control(tmp_path: Path) -> None:
    """The first episode is random, the second is planned, and each ends in a burst of updates."""
    pytest.importorskip("dm_control", reason="the task's simulator")
    overrides = {**TINY_TDMPC, "seed_steps": 300, "schedule_steps": 700, "capacity": 800}
    faults = [
        Fault(where="update", number=150),
        Fault(where="act", number=300, signals=("SIGTERM",)),
        Fault(where="update", number=250, delay=0.05),
        Fault(where="evaluate", number=300, signals=("SIGTERM", "SIGUSR2")),
        Fault(where="checkpoint", number=8),
    ]
    kill_tdmpc2(
        tmp_path, faults, agent="tdmpc", task="pendulum-swingup", steps=2_200,
        eval_every=1_100, overrides=overrides,
    )  # fmt: skip
