"""Tasks that need nothing but numpy: for tests and a first try. Never part of "all".

A point is pushed along each axis and is to be brought to a goal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv

DISTRIBUTIONS = ("numpy",)
EXTRA = "torch"  # all else is a base dependency


def _toy(name: str, *, axes: int, episode_steps: int) -> Task:
    return Task(
        name=name,
        suite="toy",
        env_id=f"point/{axes}",
        obs_dim=2 * axes,
        action_dim=axes,
        episode_steps=episode_steps,
        action_repeat=2,
        budget=4_000,
        eval_every=500,
        metric="success",
        score_max=1.0,
        source="defined here",
    )


TASKS = (
    _toy("toy-point", axes=1, episode_steps=40),
    _toy("toy-plane", axes=2, episode_steps=60),
)


def make(task: Task) -> TaskEnv:
    """Build the environment of one of this suite's tasks."""
    from tdmpc2_bench.env import TaskEnv  # listing needs no gymnasium
    from tdmpc2_bench.suites.toy_simulation import Point

    return TaskEnv(task, Point(task.action_dim))
