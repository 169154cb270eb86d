"""A MyoSuite task is MyoSuite's own, without its ends; see also test_every_task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from promises import actions

from tdmpc2_bench.suites import myosuite
from tdmpc2_bench.task import Task

pytest.importorskip("myosuite", reason="needs tdmpc2-bench[myosuite]")

from tdmpc2_bench.suites.myosuite_simulation import load

BY_NAME = {task.name: task for task in myosuite.TASKS}


@pytest.mark.parametrize("task", myosuite.TASKS, ids=lambda task: task.name)
def test_a_simulation_is_myosuites_own(task: Task) -> None:
    environment, simulation = gymnasium.make(task.env_id), load(task.env_id)
    np.testing.assert_array_equal(simulation.reset(7), environment.reset(seed=7)[0])
    for action in actions(task, 10):
        outcome = simulation.step(action)
        obs, reward, _, _, info = environment.step(action)
        np.testing.assert_array_equal(outcome.obs, obs)
        assert (outcome.reward, outcome.success) == (reward, bool(info["solved"]))


def test_an_episode_goes_on_when_myosuite_would_end_it() -> None:
    task = BY_NAME["myo-obj-hold"]
    env = myosuite.make(task)
    env.reset(seed=1)
    simulator: Any = env.simulation
    ends = []
    for action in actions(task, 100):
        _, _, terminated, truncated, _ = env.step(action)
        rewards = simulator._environment.get_reward_dict(simulator._environment.get_obs_dict())
        ends.append((rewards["done"], terminated, truncated))
    assert any(done for done, *_ in ends[:90])
    assert not any(terminated or truncated for _, terminated, truncated in ends[:-1])


def test_an_unstable_state_is_begun_anew_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MuJoCo begins anew; left to itself, it would also write a file."""
    monkeypatch.chdir(tmp_path)
    task = BY_NAME["myo-pen-twirl"]
    simulation: Any = load(task.env_id)
    simulation.reset(1)
    simulation._environment.data.qvel[:] = np.nan
    outcome = simulation.step(np.zeros(task.action_dim, np.float32))
    assert np.isfinite(outcome.obs).all()
    assert "The simulation is unstable" in caplog.text
    assert not list(tmp_path.iterdir())
