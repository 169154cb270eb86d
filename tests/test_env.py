"""What `TaskEnv` promises, with a simulation whose every number is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome, TaskEnv
from tdmpc2_bench.errors import InvalidAction
from tdmpc2_bench.task import Task

TASK = Task(
    name="count", suite="toy", env_id="", obs_dim=2, action_dim=1, episode_steps=6,
    action_repeat=2, budget=6, eval_every=6, metric="success", score_max=1.0, source="",
)  # fmt: skip


class Counter:
    """Observes (seed, steps so far); its reward is the step's number."""

    def __init__(self, ends_at: int = 100) -> None:
        self.state: NDArray[np.float64] = np.zeros(2)
        self.ends_at = ends_at
        self.actions: list[float] = []
        self.closed = False

    def reset(self, seed: int) -> NDArray[np.float64]:
        self.state[:] = seed, 0
        return self.state

    def step(self, action: FloatArray) -> Outcome:
        self.state[1] += 1
        self.actions.append(float(action[0]))
        steps = int(self.state[1])
        return Outcome(self.state, steps, terminated=steps == self.ends_at, success=steps % 2 == 0)

    def close(self) -> None:
        self.closed = True


def test_repeats_sum_their_rewards_and_success_is_the_last_steps() -> None:
    env = TaskEnv(TASK, Counter())
    env.reset(seed=7)
    obs, reward, terminated, truncated, info = env.step(np.zeros(1, np.float32))
    assert (reward, terminated, truncated, info) == (1.0 + 2.0, False, False, {"success": True})
    assert obs.dtype == np.float32 and obs.tolist() == [7.0, 2.0]


def test_the_time_limit_truncates_and_is_never_terminal() -> None:
    env = TaskEnv(TASK, Counter())
    env.reset(seed=1)
    ends = [env.step(np.zeros(1, np.float32))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(InvalidAction, match="call reset"):
        env.step(np.zeros(1, np.float32))


def test_a_true_end_stops_the_repeat_and_terminates() -> None:
    env = TaskEnv(TASK, Counter(ends_at=3))
    env.reset(seed=1)
    env.step(np.zeros(1, np.float32))
    obs, reward, terminated, truncated, _ = env.step(np.zeros(1, np.float32))
    assert (reward, terminated, truncated, obs[1]) == (3.0, True, False, 3.0)
    with pytest.raises(InvalidAction, match="call reset"):
        env.step(np.zeros(1, np.float32))


def test_a_step_before_the_first_reset_is_refused() -> None:
    with pytest.raises(InvalidAction, match="never begun"):
        TaskEnv(TASK, Counter()).step(np.zeros(1, np.float32))


def test_an_action_of_another_shape_is_refused_with_both_shapes() -> None:
    env = TaskEnv(TASK, Counter())
    env.reset(seed=1)
    with pytest.raises(InvalidAction, match=r"expected an action of shape \(1,\).* got \(2,\)"):
        env.step(np.zeros(2, np.float32))


def test_actions_are_clipped_into_the_box() -> None:
    counter = Counter()
    env = TaskEnv(TASK, counter)
    env.reset(seed=1)
    env.step(np.array([3.0], np.float32))
    assert counter.actions == [1.0, 1.0]


def test_observations_share_no_memory_with_the_simulator() -> None:
    env = TaskEnv(TASK, Counter())
    first, _ = env.reset(seed=5)
    env.step(np.zeros(1, np.float32))
    assert first.tolist() == [5.0, 0.0]


def test_unseeded_resets_go_through_different_episodes_reproducibly() -> None:
    def seeds() -> list[float]:
        env = TaskEnv(TASK, Counter())
        env.reset(seed=3)
        return [float(env.reset()[0][0]) for _ in range(3)]

    assert seeds() == seeds()
    assert len(set(seeds())) == 3


def test_how_a_simulation_runs_here_is_told_where_there_is_more_than_one_way() -> None:
    counter = Counter()
    assert TaskEnv(TASK, counter).facts == {}
    counter.facts = {"engine": "slow"}  # type: ignore[attr-defined] # simulations need not have it
    assert TaskEnv(TASK, counter).facts == {"engine": "slow"}


def test_closing_releases_the_simulator() -> None:
    counter = Counter()
    TaskEnv(TASK, counter).close()
    assert counter.closed
