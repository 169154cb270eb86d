"""Any gymnasium environment with continuous actions as a task: ``gym:HalfCheetah-v5``.

No table: what a task needs to know is read from the environment when it is asked for. Never part
of "all".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv

DISTRIBUTIONS = ("gymnasium",)  # further ones depend on the environment: `Task.distributions`
EXTRA = "gym"
TASKS: tuple[Task, ...] = ()

_SLASH = "~"  # in a task's name, since it becomes a folder; no gymnasium id holds it


def ad_hoc(env_id: str) -> Task:
    """The task that gymnasium's environment of that id amounts to.

    Ends before the time limit are allowed, so TD-MPC2 learns it in episodic mode.

    Args:
        env_id: as in ``gymnasium.make``: "HalfCheetah-v5", "module:Name-v0", "namespace/Name-v0".

    Raises:
        UnknownName: gymnasium knows none of that id.
        UsageError: it cannot be built, or is no task for continuous control from a state.
    """
    from tdmpc2_bench.suites import gym_simulation

    found = gym_simulation.describe(env_id.replace(_SLASH, "/"))
    return Task(
        name=f"gym:{found.env_id.replace('/', _SLASH)}",
        suite="gym",
        env_id=found.env_id,
        obs_dim=found.obs_dim,
        action_dim=found.action_dim,
        episode_steps=found.time_limit,
        action_repeat=1,
        budget=1_000_000,
        eval_every=50_000,
        metric="return",
        score_max=None,
        source="gymnasium's registry, and the environment itself",
        terminates=True,
        distributions=found.distributions,
    )


def make(task: Task) -> TaskEnv:
    """Build the environment of one of this suite's tasks."""
    from tdmpc2_bench.env import TaskEnv
    from tdmpc2_bench.suites import gym_simulation

    return TaskEnv(task, gym_simulation.load(task.env_id))
