"""A DMControl task is dm_control's own, flattened and rescaled; see also test_every_task."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from promises import Episode, actions, play

from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import Diverged
from tdmpc2_bench.suites import dmcontrol
from tdmpc2_bench.task import Task

pytest.importorskip("dm_control", reason="needs tdmpc2-bench[dmcontrol]")

from dm_control import suite
from dm_control.rl import control
from dm_control.suite.wrappers import action_scale

from tdmpc2_bench.suites.dmcontrol_custom import FACTORIES
from tdmpc2_bench.suites.dmcontrol_simulation import DmControlSimulation, load

# The tasks that are dm_control's own: its domain, its tasks of that domain.
STOCK = {
    "acrobot": ["swingup"],
    "ball_in_cup": ["catch"],
    "cartpole": ["balance", "balance_sparse", "swingup", "swingup_sparse"],
    "cheetah": ["run"],
    "dog": ["run", "stand", "trot", "walk"],
    "finger": ["spin", "turn_easy", "turn_hard"],
    "fish": ["swim"],
    "hopper": ["hop", "stand"],
    "humanoid": ["run", "stand", "walk"],
    "pendulum": ["swingup"],
    "quadruped": ["run", "walk"],
    "reacher": ["easy", "hard"],
    "walker": ["run", "stand", "walk"],
}

BY_ENV_ID = {task.env_id: task for task in dmcontrol.TASKS}


def _each(tasks: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("task", tasks, ids=lambda task: task.name)


each_task = _each(dmcontrol.TASKS)


@functools.cache
def _used_env(task: Task) -> TaskEnv:
    return dmcontrol.make(task)


@functools.cache
def _rewards(task: Task) -> list[float]:
    """Rewards of a whole episode of random actions."""
    return play(_used_env(task), seed=1, agent_steps=500).rewards


def test_stock_tasks_are_named_after_dm_control() -> None:
    stock = {f"{domain}/{task}" for domain, tasks in STOCK.items() for task in tasks}
    assert {task.env_id for task in dmcontrol.TASKS if "custom" not in task.tags} == stock
    for env_id in stock:
        assert tuple(env_id.split("/")) in suite.ALL_TASKS
        hyphenated = env_id.replace("ball_in_cup", "cup").replace("/", "-").replace("_", "-")
        assert hyphenated == BY_ENV_ID[env_id].name


def test_custom_tasks_are_those_that_we_build() -> None:
    custom = {task.env_id for task in dmcontrol.TASKS if "custom" in task.tags}
    assert set(FACTORIES) == custom
    assert not custom & {"/".join(task) for task in suite.ALL_TASKS}


def test_the_ball_in_cup_tasks_answer_to_both_names() -> None:
    assert BY_ENV_ID["ball_in_cup/spin"].aliases == ("ball-in-cup-spin",)


@each_task
def test_rewards_lie_between_0_and_2(task: Task) -> None:
    """Two environment steps of a reward in [0, 1] are summed."""
    rewards = _rewards(task)
    assert min(rewards) >= 0.0
    assert max(rewards) <= 2.0


@_each([task for task in dmcontrol.TASKS if "sparse" in task.tags])
def test_sparse_rewards_are_0_or_1_at_each_environment_step(task: Task) -> None:
    assert set(_rewards(task)) <= {0.0, 1.0, 2.0}


@each_task
def test_an_agent_step_is_two_of_dm_control_with_summed_rewards(task: Task) -> None:
    """The trajectory is that of dm_control's own environment, seeded and stepped by hand."""
    environment = action_scale.Wrapper(_raw(task, random=7), minimum=-1.0, maximum=1.0)
    expected = Episode([_flat(environment.reset())], [], [], [], [])
    for action in actions(task, 10):
        first, second = environment.step(action), environment.step(action)
        expected.observations.append(_flat(second))
        expected.rewards.append(first.reward + second.reward)

    episode = play(_used_env(task), seed=7, agent_steps=10)

    # Not bit for bit: dm_control's wrapper rounds actions differently.
    np.testing.assert_allclose(episode.observations, expected.observations, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(episode.rewards, expected.rewards, rtol=1e-6, atol=1e-9)


def test_actions_are_rescaled_to_the_bounds_of_quadruped() -> None:
    environment = suite.load("quadruped", "walk")
    simulation = DmControlSimulation(environment)
    simulation.reset(0)
    spec = environment.action_spec()
    for action, expected in [
        (-1.0, spec.minimum),
        (0.0, (spec.minimum + spec.maximum) / 2),
        (1.0, spec.maximum),
    ]:
        simulation.step(np.full(12, action, np.float32))
        np.testing.assert_allclose(environment.physics.control(), expected, atol=1e-12)
    assert set(spec.maximum) == {1.0, 1.1, 0.8}


def test_actions_of_other_domains_reach_the_simulator_unchanged() -> None:
    """Not even rounded, so that a trajectory is that of dm_control itself."""
    environment = suite.load("walker", "walk")
    simulation = DmControlSimulation(environment)
    simulation.reset(0)
    action = actions(BY_ENV_ID["walker/walk"], 1)[0] / 3
    simulation.step(action)
    np.testing.assert_array_equal(environment.physics.control(), action)


@pytest.mark.parametrize("env_id", ["pendulum/swingup", "pendulum/spin"])
def test_dm_control_sets_no_time_limit_of_its_own(
    env_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = load(env_id)
    simulation.reset(0)
    monkeypatch.setattr(control.Environment, "reset", lambda _: pytest.fail("reset by dm_control"))
    for _ in range(1010):
        assert not simulation.step(np.zeros(1, np.float32)).terminated


@pytest.fixture
def pendulum() -> control.Environment:
    return suite.load("pendulum", "swingup")


@pytest.mark.parametrize(("discount", "end"), [(0.0, True), (1.0, False)])
def test_only_a_discount_of_0_is_a_true_end(
    *, discount: float, end: bool, pendulum: control.Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pendulum.task, "get_termination", lambda _: discount)
    env = TaskEnv(BY_ENV_ID["pendulum/swingup"], DmControlSimulation(pendulum))
    env.reset(seed=0)
    _, _, terminated, truncated, _ = env.step(np.zeros(1, np.float32))
    assert terminated == end
    assert not truncated


def test_no_reward_counts_as_0(
    pendulum: control.Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pendulum.task, "get_reward", lambda _: None)
    simulation = DmControlSimulation(pendulum)
    simulation.reset(0)
    assert simulation.step(np.zeros(1, np.float32)).reward == 0.0


def test_an_unusable_physics_state_is_reported_as_diverged(pendulum: control.Environment) -> None:
    simulation = DmControlSimulation(pendulum)
    simulation.reset(0)
    pendulum.physics.data.qvel[:] = np.nan
    with pytest.raises(Diverged, match="state is invalid"):
        simulation.step(np.zeros(1, np.float32))


def _raw(task: Task, **kwargs: Any) -> control.Environment:
    """Build the dm_control environment of ``task`` with dm_control's own defaults."""
    if "custom" in task.tags:
        return FACTORIES[task.env_id](**kwargs)
    return suite.load(*task.env_id.split("/"), task_kwargs=kwargs)


def _flat(time_step: Any) -> NDArray[Any]:
    return np.hstack(list(time_step.observation.values()))
