"""Measured speeds are of the right things; how long they take is not tested."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest

from tdmpc2_bench import calibration, registry


def request(agent: str, **overrides: Any) -> dict[str, Any]:
    entry = registry.agent(agent)
    return {
        "agent": agent, "preset": entry.default_preset, "overrides": overrides,
        "task": "toy-point", "device": "cpu", "eval_episodes": 3,
    }  # fmt: skip


@pytest.mark.usefixtures("registered_learner")
def test_a_learners_schedule_and_sizes_are_counted() -> None:
    """It owes 30 updates after 31 steps, but an episode of 20 steps completes at 40 only then."""
    found = calibration.agent_speed(request("learner"))
    assert (found.seed_steps, found.burst, found.updates_per_step) == (31, 30, 1.0)
    assert found.modes == 2
    assert found.row == (2 + 1 + 1) * 4 + 2  # obs, action, reward; first, last
    assert found.capacity == 100
    assert found.weights == 2 * 1 * 4
    assert found.checkpoint > 2 * found.weights and found.memory > 10 * 2**20
    assert min(found.act_random, found.act, found.evaluate, found.update) > 0


def test_an_agent_that_learns_nothing_owes_nothing() -> None:
    found = calibration.agent_speed(request("uniform"))
    assert (found.seed_steps, found.burst, found.updates_per_step, found.update) == (0, 0, 0, 0)
    assert (found.row, found.capacity, found.weights) == (0, 0, 0)


def test_the_sizes_are_those_of_the_files_a_cell_writes(tmp_path: Any) -> None:
    pytest.importorskip("torch")
    import tdmpc2_bench
    from tdmpc2_bench import cost, plan, speeds
    from tdmpc2_bench.calibration import TaskSpeed
    from tdmpc2_bench.experiment import resolve

    described = {
        "tasks": "toy-point", "seeds": 1, "steps": 400, "eval_every": 200, "eval_episodes": 2,
        "set": {
            "size": 1, "mlp_dim": 16, "enc_dim": 16, "latent_dim": 16, "num_samples": 8,
            "num_elites": 4, "num_pi_trajs": 2, "batch_size": 8, "iterations": 1, "seed_steps": 60,
        },
        "out": str(tmp_path),
    }  # fmt: skip
    (job,) = plan.jobs([resolve(described)])
    measured = calibration.agent_speed({**request("tdmpc2"), "overrides": job.overrides})
    env = TaskSpeed(step=0.0, first=0, further=0)
    (found,) = cost.of_jobs([job], [speeds.Speeds(measured, env)]).costs
    described["settings"] = described.pop("set")
    outcome = tdmpc2_bench.run(described.pop("tasks"), **described)
    (cell,) = outcome.finished
    used = sum(path.stat().st_size for path in (tmp_path / str(cell)).rglob("*") if path.is_file())
    assert found.kept == pytest.approx(used, rel=0.15)


def test_a_task_is_measured_and_what_cannot_be_measured_says_why() -> None:
    command = [sys.executable, "-P", "-m", "tdmpc2_bench.calibration"]
    command += [json.dumps({"task": "toy-point"}), json.dumps({"task": "mw-raech"})]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(answers[0]) == {f.name for f in dataclasses.fields(calibration.TaskSpeed)}
    assert answers[0]["step"] > 0
    assert "Did you mean 'mw-reach'" in answers[1]["error"]
