"""Any gymnasium environment with continuous actions is a task."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from cells import StopAfter, finish, results
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from learner import job

from tdmpc2_bench import registry
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import Exit, UnknownName, UsageError
from tdmpc2_bench.runner import train
from tdmpc2_bench.suites import gym_simulation

PENDULUM = "gym:Pendulum-v1"


class Walk(gymnasium.Env[Any, Any]):
    """Every number is known: it observes its steps, ends at some, and moves by its action."""

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own declaration

    def __init__(
        self,
        observation_space: Any = None,
        action_space: Any = None,
        ends_at: int = 10**9,
        stops_at: int = 10**9,
    ) -> None:
        self.observation_space = observation_space or spaces.Dict(
            {"b": spaces.Box(-9, 9, (2, 2)), "a": spaces.Box(-9, 9, (1,))}
        )
        low, high = np.float32([[0, -2]]), np.float32([[4, 2]])
        self.action_space = action_space or spaces.Box(low, high)
        self.ends_at, self.stops_at = ends_at, stops_at

    def observation(self) -> dict[str, Any]:
        return {"b": np.full((2, 2), self.count, np.float32), "a": np.array([7.0], np.float32)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self.observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action.shape == (1, 2)
        self.count += 1
        info = {"is_success": self.count > 2}
        ended, stopped = self.count == self.ends_at, self.count == self.stops_at
        return self.observation(), float(action.sum()), ended, stopped, info


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Environments of our own in gymnasium's registry."""
    own = {
        "bench/Walk-v0": {},
        "Ending-v0": {"ends_at": 3},
        "Stopping-v0": {"stops_at": 3},
        "Pictures-v0": {"observation_space": spaces.Box(0, 255, (64, 64, 3), np.uint8)},
        "Words-v0": {"observation_space": spaces.Sequence(spaces.Discrete(3))},
        "Choices-v0": {"action_space": spaces.Discrete(3)},
        "Boundless-v0": {"action_space": spaces.Box(-np.inf, np.inf, (2,))},
    }
    for name, options in own.items():
        gymnasium.register(name, Walk, max_episode_steps=5, kwargs=options)
    gymnasium.register("Endless-v0", Walk)
    yield
    for name in [*own, "Endless-v0"]:
        del gymnasium.registry[name]
    registry._ad_hoc.cache_clear()


@functools.cache
def used_env() -> TaskEnv:
    return registry.make(registry.task(PENDULUM))


def play(env: TaskEnv, seed: int) -> tuple[np.ndarray[Any, Any], list[float]]:
    obs, _ = env.reset(seed=seed)
    rows, rewards = [obs], []
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1, 1, env.task.action_dim).astype(np.float32)
        obs, reward, *_ = env.step(action)
        rows.append(obs)
        rewards.append(reward)
    return np.array(rows), rewards


def test_a_task_is_read_off_its_environment() -> None:
    task = registry.task(PENDULUM)
    assert (task.obs_dim, task.action_dim, task.episode_steps) == (3, 1, 200)
    assert (task.suite, task.action_repeat, task.terminates) == ("gym", 1, True)
    assert task.score_max is None
    assert task not in registry.tasks()
    assert registry.task("gym:bench/Walk-v0") == registry.task("gym:bench~Walk-v0")
    assert registry.task("gym:bench/Walk-v0").name == "gym:bench~Walk-v0"


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is.*infinity")
def test_the_environment_is_a_standard_one() -> None:
    check_env(registry.make(registry.task(PENDULUM)), skip_render_check=True)


def test_equal_seeds_give_equal_episodes_in_used_and_fresh_environments() -> None:
    first = play(used_env(), seed=3)
    again = play(used_env(), seed=3)
    fresh = play(registry.make(registry.task(PENDULUM)), seed=3)
    for other in (again, fresh):
        np.testing.assert_array_equal(first[0], other[0])
        assert first[1] == other[1]
    assert not np.array_equal(first[0][0], play(used_env(), seed=4)[0][0])


def test_observations_are_flat_actions_are_scaled_and_success_is_found() -> None:
    env = registry.make(registry.task("gym:bench/Walk-v0"))
    obs, _ = env.reset(seed=1)
    assert obs.tolist() == [7.0, 0, 0, 0, 0]
    _, reward, *_, info = env.step(np.array([0.5, -1.0], np.float32))
    assert reward == pytest.approx((2 + 2 * 0.5) + -2.0)
    assert info == {"success": False}
    env.step(np.zeros(2, np.float32))
    *_, info = env.step(np.zeros(2, np.float32))
    assert info == {"success": True}


@pytest.mark.parametrize(
    ("name", "ending", "length"),
    [
        ("bench/Walk-v0", (False, True), 5),
        ("Ending-v0", (True, False), 3),
        ("Stopping-v0", (False, True), 3),
    ],
)
def test_an_episode_ends_by_its_limit_for_good_or_by_the_environments_own_word(
    name: str, ending: tuple[bool, bool], length: int
) -> None:
    env = registry.make(registry.task(f"gym:{name}"))
    env.reset(seed=1)
    for step in range(1, length + 1):
        _, _, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
        assert (terminated, truncated) == (ending if step == length else (False, False))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Pictures-v0", "expected observations of numbers that make up a state"),
        ("Words-v0", "expected observations of numbers that make up a state"),
        ("Choices-v0", "expected continuous actions within bounds"),
        ("Boundless-v0", "expected continuous actions within bounds"),
        ("Endless-v0", "has no time limit: register it with max_episode_steps"),
        ("no_such_module:Thing-v0", "No module named 'no_such_module'"),
    ],
)
def test_what_is_no_task_for_continuous_control_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        registry.task(f"gym:{name}")


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'Pendulum-v1'"):
        registry.select(["gym:Pendulm-v1"])


def test_results_depend_on_what_the_environment_is_made_of() -> None:
    pytest.importorskip("mujoco")
    pytest.importorskip("imageio")
    assert "mujoco" in registry.task("gym:Hopper-v5").distributions
    assert registry.distributions(registry.task(PENDULUM)) == ("gymnasium",)


@pytest.mark.usefixtures("registered_learner")
@pytest.mark.parametrize("name", ["Pendulum-v1", "bench~Walk-v0"])
def test_a_cell_is_trained_stopped_and_continued_bit_for_bit(tmp_path: Any, name: str) -> None:
    task = f"gym:{name}"
    straight = finish(job(tmp_path / "straight", task=task, steps=300, eval_every=100))
    todo = job(tmp_path / "stopped", task=task, steps=300, eval_every=100)
    assert train(todo, StopAfter(150)) == Exit.INTERRUPTED
    assert results(finish(todo)) == results(straight)


@pytest.mark.filterwarnings("ignore:.*Using the latest versioned environment.*")
def test_an_id_without_its_version_is_the_same_task() -> None:
    assert registry.task("gym:Pendulum") == registry.task(PENDULUM)
    module = "gym:gymnasium.envs:Pendulum-v1"
    assert registry.task(module).name == module


def test_what_fails_to_draw_says_why() -> None:
    class Broken(Walk):
        metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - gymnasium's own

        def __init__(self, render_mode: str | None = None) -> None:
            super().__init__()
            self.render_mode = render_mode

        def render(self) -> None:
            raise OSError("no screen")

    gymnasium.register("Broken-v0", Broken, max_episode_steps=5)
    simulation = gym_simulation.load("Broken-v0")
    simulation.reset(1)
    del gymnasium.registry["Broken-v0"]
    with pytest.raises(UsageError, match="cannot be drawn: OSError: no screen"):
        simulation.render()


def test_what_cannot_draw_says_so() -> None:
    env = gym_simulation.load("bench/Walk-v0")
    env.reset(seed=1)
    with pytest.raises(UsageError, match="offers no render mode"):
        env.render()
