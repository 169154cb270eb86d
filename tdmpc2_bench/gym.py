"""Importing this registers all tasks with gymnasium, as "tdmpc2-bench/<task>-v0".

The version is part of gymnasium's names and has nothing to do with a simulator's.
"""

from __future__ import annotations

import gymnasium

from tdmpc2_bench import registry
from tdmpc2_bench.env import TaskEnv

NAMESPACE = "tdmpc2-bench"


def make(task: str, *, render_mode: str | None = None) -> TaskEnv:
    """Build the environment of the task of that name; ``render_mode`` may be "rgb_array".

    Raises:
        UnknownName: there is no such task.
        SuiteUnavailable: its simulator is not installed, or not supported yet.
    """
    env = registry.make(registry.task(task))
    env.render_mode = render_mode
    return env


for _task in registry.known_tasks():
    gymnasium.register(
        f"{NAMESPACE}/{_task.name}-v0",
        entry_point="tdmpc2_bench.gym:make",
        kwargs={"task": _task.name},
    )
