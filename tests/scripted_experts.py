"""How Meta-World's scripted policies fare in its own environments and in the tasks made of them.

``python -P tests/scripted_experts.py 10`` prints the table of docs/suites.md, of 10 episodes each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from metaworld.policies import ENV_POLICY_MAP

from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.suites import metaworld
from tdmpc2_bench.task import Task

OWN_LIMIT = 500  # environment steps after which Meta-World itself ends an episode


class Episode(NamedTuple):
    """An entry for each decision of the policy."""

    rewards: list[float]
    success: list[bool]


def raw(env_id: str, *, seed: int) -> Any:
    """Meta-World's environment, its goals drawn from ``seed``."""
    environment = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[env_id](seed=1)
    environment._freeze_rand_vec = False
    environment.seeded_rand_vec = True
    environment.seed(seed)
    return environment


def in_its_own(task: Task, seed: int) -> Episode:
    """Play in Meta-World's environment; the zero action that tasks begin with comes first."""
    environment = raw(task.env_id, seed=seed)
    obs, _ = environment.reset()
    environment.step(np.zeros(4, np.float32))

    def step(action: Any) -> tuple[Any, float, bool]:
        obs, reward, _, _, info = environment.step(action)
        return obs, reward, info["success"] == 1.0

    return _play(task, obs, step, OWN_LIMIT - 1)


def in_the_simulation(env: TaskEnv, seed: int) -> Episode:
    """Play in ours, where the policy decides at every environment step too."""

    def step(action: Any) -> tuple[Any, float, bool]:
        outcome = env.simulation.step(action)
        return outcome.obs, outcome.reward, bool(outcome.success)

    return _play(env.task, env.simulation.reset(seed), step, OWN_LIMIT - 1)


def in_the_task(env: TaskEnv, seed: int) -> Episode:
    """Play as agents do: 100 decisions, of which each holds for two environment steps."""

    def step(action: Any) -> tuple[Any, float, bool]:
        obs, reward, _, _, info = env.step(action)
        return obs, reward, info["success"]

    return _play(env.task, env.reset(seed=seed)[0], step, env.task.episode_agent_steps)


def _play(
    task: Task, obs: Any, step: Callable[[Any], tuple[Any, float, bool]], decisions: int
) -> Episode:
    policy = ENV_POLICY_MAP[task.env_id.removesuffix("-goal-observable")]()
    episode = Episode([], [])
    for _ in range(decisions):
        action = np.clip(policy.get_action(np.float64(obs)), -1, 1).astype(np.float32)
        obs, reward, success = step(action)
        episode.rewards.append(float(reward))
        episode.success.append(success)
    return episode


def main(episodes: int) -> None:
    """Print the table."""
    print("| task | own, 500 | own, 200 | here, any step | here, last step |")
    print("|---|---|---|---|---|")
    table = []
    for task in metaworld.TASKS:
        env = metaworld.make(task)
        own = [in_its_own(task, seed).success for seed in range(episodes)]
        here = [in_the_task(env, seed).success for seed in range(episodes)]
        table.append(
            [
                np.mean([any(one) for one in own]),
                np.mean([any(one[: task.episode_steps]) for one in own]),
                np.mean([any(one) for one in here]),
                np.mean([one[-1] for one in here]),
            ]
        )
        print(
            f"| `{task.name}` |", " | ".join(f"{rate:.1f}" for rate in table[-1]), "|", flush=True
        )
    print("| mean |", " | ".join(f"{rate:.2f}" for rate in np.mean(table, axis=0)), "|")


if __name__ == "__main__":
    main(int(sys.argv[1]))
