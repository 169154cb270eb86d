"""A Meta-World task is Meta-World's own, with a goal per seed; see also test_every_task."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from promises import actions

from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.suites import metaworld
from tdmpc2_bench.task import Task

pytest.importorskip("metaworld", reason="needs tdmpc2-bench[metaworld]")

from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from scripted_experts import in_its_own, in_the_simulation, in_the_task, raw

# Tasks whose goal stays where it is; what varies is where things lie.
FIXED_GOAL = {"mw-bin-picking", "mw-hammer", "mw-sweep-into"}

# Some experts ask for more than there is; see `scripted_experts`, which gives what there is.
clipped = pytest.mark.filterwarnings("ignore:Constant.s. may be too high")

each_task = pytest.mark.parametrize("task", metaworld.TASKS, ids=lambda task: task.name)


@functools.cache
def used_env(task: Task) -> TaskEnv:
    return metaworld.make(task)


def test_the_tasks_are_all_that_meta_world_has() -> None:
    assert {task.env_id for task in metaworld.TASKS} == set(ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE)


@each_task
def test_a_simulation_is_meta_worlds_own_after_one_zero_action(task: Task) -> None:
    """The first observation is the one from before that action."""
    environment, simulation = raw(task.env_id, seed=7), used_env(task).simulation
    np.testing.assert_array_equal(simulation.reset(7), environment.reset()[0])
    environment.step(np.zeros(4, np.float32))
    for action in actions(task, 10):
        outcome = simulation.step(action)
        obs, reward, _, _, info = environment.step(action)
        np.testing.assert_array_equal(outcome.obs, obs)
        assert (outcome.reward, outcome.success) == (reward, info["success"] == 1.0)


@each_task
def test_the_last_three_numbers_are_a_goal_that_varies(task: Task) -> None:
    goals = {used_env(task).reset(seed=seed)[0][-3:].tobytes() for seed in range(5)}
    assert len(goals) == (1 if task.name in FIXED_GOAL else 5)


@each_task
def test_the_reward_is_the_one_that_the_protocol_names(task: Task) -> None:
    environment: Any = used_env(task).simulation
    assert environment._environment.reward_function_version == metaworld.PROTOCOL["reward"]


def test_success_is_that_of_the_last_of_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    env = metaworld.make(metaworld.TASKS[0])
    env.reset(seed=1)
    simulator: Any = env.simulation
    real, successes = simulator._environment.step, iter([1.0, 0.0, 0.0, 1.0])

    def step(action: Any) -> Any:
        *found, info = real(action)
        return *found, {**info, "success": next(successes)}

    monkeypatch.setattr(simulator._environment, "step", step)
    found = [env.step(np.zeros(4, np.float32))[4] for _ in range(2)]
    assert found == [{"success": False}, {"success": True}]


def test_meta_worlds_own_limit_is_never_met() -> None:
    simulation = used_env(metaworld.TASKS[0]).simulation
    simulation.reset(1)
    for _ in range(600):  # it is 500
        outcome = simulation.step(np.zeros(4, np.float32))
    assert not outcome.terminated
    assert not outcome.truncated


@pytest.mark.slow
@clipped
@each_task
def test_a_scripted_expert_fares_in_ours_exactly_as_in_its_own(task: Task) -> None:
    """And it does succeed, so that what is compared is the whole of the task."""
    env, successes = used_env(task), []
    for seed in range(3):
        own, ours = in_its_own(task, seed), in_the_simulation(env, seed)
        assert own == ours
        successes.append(any(own.success))
    assert any(successes)


@pytest.mark.slow
@clipped
@pytest.mark.parametrize("name", ["mw-dial-turn", "mw-drawer-close", "mw-reach", "mw-window-open"])
def test_a_scripted_expert_succeeds_in_the_task_as_agents_play_it(name: str) -> None:
    (task,) = (task for task in metaworld.TASKS if task.name == name)
    for seed in range(3):
        assert in_the_task(used_env(task), seed).success[-1]
