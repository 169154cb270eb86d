"""A suite with one task: keep a cart on the top of a hill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv

DISTRIBUTIONS = ("tdmpc2-bench-example",)  # results depend on the version of this simulator

TASKS = (
    Task(
        name="hill-balance",
        suite="hill",
        env_id="balance",
        obs_dim=2,
        action_dim=1,
        episode_steps=100,
        action_repeat=1,
        budget=20_000,
        eval_every=2_000,
        metric="return",
        score_max=100.0,
        terminates=True,
        source="defined here",
    ),
)


def make(task: Task) -> TaskEnv:
    """Build the environment; imports are here, so that listing tasks needs none of them."""
    from bench_example.hill_simulation import Hill
    from tdmpc2_bench.env import TaskEnv

    return TaskEnv(task, Hill())
