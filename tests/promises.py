"""What every environment promises, as claims about any of them and however it is made.

A test class inherits them from `Promises` and says with a fixture which environments it is about.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from tdmpc2_bench.env import FloatArray, TaskEnv
from tdmpc2_bench.task import Task

Make = Callable[[], TaskEnv]
Policy = Callable[[FloatArray], FloatArray]  # observation -> action

# Tasks that always start alike; all others do not.
FIXED = {"myo-reach", "myo-pose", "myo-obj-hold", "myo-key-turn", "myo-pen-twirl"}


class Episode(NamedTuple):
    """What one play of an environment gave; ``observations`` has one more row than the rest."""

    observations: list[FloatArray]
    rewards: list[float]
    terminated: list[bool]
    truncated: list[bool]
    success: list[bool | None]


def actions(task: Task, agent_steps: int) -> FloatArray:
    """Actions from all of the action space, every third from its corners."""
    rng = np.random.default_rng(0)
    drawn = rng.uniform(-1, 1, (agent_steps, task.action_dim))
    drawn[::3] = np.sign(drawn[::3])
    return drawn.astype(np.float32)


def play(env: TaskEnv, *, seed: int, agent_steps: int, policy: Policy | None = None) -> Episode:
    """Play the beginning of an episode; without a policy by `actions`."""
    obs, _ = env.reset(seed=seed)
    episode = Episode([obs], [], [], [], [])
    for action in actions(env.task, agent_steps):
        obs, reward, terminated, truncated, info = env.step(policy(obs) if policy else action)
        episode.observations.append(obs)
        episode.rewards.append(reward)
        episode.terminated.append(terminated)
        episode.truncated.append(truncated)
        episode.success.append(info.get("success"))
    return episode


def assert_same(one: Episode, other: Episode) -> None:
    """Fail unless the two are equal bit for bit."""
    np.testing.assert_array_equal(one.observations, other.observations, strict=True)
    assert one[1:] == other[1:]


class Promises:
    """Claims about each environment that the fixture ``make`` builds."""

    @pytest.fixture(scope="class")
    @classmethod
    def env(cls, make: Make) -> Iterator[TaskEnv]:
        """An environment that several tests use, which none of them must notice."""
        env = make()
        yield env
        env.close()

    @pytest.fixture
    def global_random_state(self) -> Iterator[Callable[[], bytes]]:
        """What python's and numpy's own generators are at; put back afterwards."""
        of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        yield lambda: pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002

    @pytest.fixture(scope="class")
    @classmethod
    def episode(cls, env: TaskEnv) -> Episode:
        """All of an episode."""
        return play(env, seed=1, agent_steps=env.task.episode_agent_steps)

    def test_observations_and_rewards_are_finite_and_as_the_record_says(
        self, env: TaskEnv, episode: Episode
    ) -> None:
        assert {(obs.shape, obs.dtype.name) for obs in episode.observations} == {
            ((env.task.obs_dim,), "float32")
        }
        assert np.isfinite(episode.observations).all()
        assert np.isfinite(episode.rewards).all()
        assert set(map(type, episode.rewards)) == {float}

    def test_an_episode_is_cut_at_its_length_and_never_ends_before(
        self, env: TaskEnv, episode: Episode
    ) -> None:
        steps = env.task.episode_agent_steps
        assert episode.truncated == [False] * (steps - 1) + [True]
        assert episode.terminated == [False] * steps

    def test_success_is_known_where_it_is_what_counts(self, env: TaskEnv, episode: Episode) -> None:
        known = {bool} if env.task.metric == "success" else {type(None)}
        assert set(map(type, episode.success)) == known

    def test_a_used_environment_gives_the_same_episode_as_a_fresh_one(
        self, env: TaskEnv, make: Make
    ) -> None:
        play(env, seed=4, agent_steps=30)  # left in the middle of an episode
        fresh = make()
        assert_same(
            play(fresh, seed=5, agent_steps=20),
            play(env, seed=5, agent_steps=20),
        )
        fresh.close()

    def test_starts_differ_where_they_are_random(self, env: TaskEnv) -> None:
        starts = {env.reset(seed=seed)[0].tobytes() for seed in range(5)}
        assert len(starts) == (1 if env.task.name in FIXED else 5)

    def test_an_agent_step_is_several_of_the_simulation_with_summed_rewards(
        self, env: TaskEnv
    ) -> None:
        task, simulation = env.task, env.simulation
        expected = Episode([np.float32(simulation.reset(7))], [], [False] * 10, [False] * 10, [])
        for action in actions(task, 10):
            outcomes = [simulation.step(action) for _ in range(task.action_repeat)]
            expected.observations.append(np.float32(outcomes[-1].obs))
            expected.rewards.append(sum(float(one.reward) for one in outcomes))
            expected.success.append(outcomes[-1].success)
        assert_same(play(env, seed=7, agent_steps=10), expected)

    def test_who_overwrites_an_observation_changes_nothing_else(self, env: TaskEnv) -> None:
        expected = play(env, seed=6, agent_steps=5)
        obs, _ = env.reset(seed=6)
        for action, expected_obs in zip(
            actions(env.task, 5), expected.observations[1:], strict=True
        ):
            last = obs
            last[:] = np.nan
            obs, *_ = env.step(action)
            assert not np.shares_memory(last, obs)
            np.testing.assert_array_equal(expected_obs, obs)

    def test_an_action_is_left_as_it_was(self, env: TaskEnv) -> None:
        env.reset(seed=6)
        (action,) = actions(env.task, 1)
        kept = action.copy()
        env.step(action)
        np.testing.assert_array_equal(action, kept)

    def test_global_random_numbers_are_neither_drawn_nor_relied_on(
        self, env: TaskEnv, make: Make, global_random_state: Callable[[], bytes]
    ) -> None:
        before = global_random_state()
        fresh = make()
        one = play(fresh, seed=8, agent_steps=3)
        fresh.close()
        assert global_random_state() == before
        np.random.seed(99)  # noqa: NPY002 - what it is about
        random.seed(99)
        assert_same(one, play(env, seed=8, agent_steps=3))

    @pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is.*infinity")
    def test_gymnasium_accepts_it(self, env: TaskEnv) -> None:
        check_env(env, skip_render_check=True)
