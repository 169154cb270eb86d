"""Which Meta-World tasks are in the benchmark: all 50 of MT50, with their goal observed.

The rows are plain data and need no simulator; `make` imports Meta-World. They stand in the order of
the multitask set mt80, where they follow the 30 tasks of mt30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv

DISTRIBUTIONS = ("metaworld", "mujoco")  # PyPI distributions whose versions a result depends on
EXTRA = "metaworld"  # pip extra that installs the simulator

# What a result depends on beside the row. The published curves are of V2 classes, for which there
# is no release; their reward, "v2", is V3's default.
PROTOCOL = {
    "classes": "V3, goal observed",
    "reward": "v2",
    "goal": "new at each reset",
    "start": "one zero action after the first observation",
}

_SOURCE = (
    "TD-MPC2 paper: episode length, action repeat; its published curves: budget, cadence; "
    "Meta-World 3.0.0: env_id, dimensions"
)


def make(task: Task) -> TaskEnv:
    """Build the environment of ``task``. Imports Meta-World, so that listing tasks need not."""
    from tdmpc2_bench.suites import offscreen

    offscreen.not_needed()
    from tdmpc2_bench.env import TaskEnv
    from tdmpc2_bench.suites import metaworld_simulation

    return TaskEnv(task, metaworld_simulation.load(task.env_id))


def _mw(task: str) -> Task:
    """Return the row of the task that Meta-World calls ``<task>-v3``."""
    return Task(
        name=f"mw-{task}",
        suite="metaworld",
        env_id=f"{task}-v3-goal-observable",
        obs_dim=39,
        action_dim=4,
        episode_steps=200,  # the paper's; Meta-World itself would go on to 500
        action_repeat=2,
        budget=2_000_000,
        eval_every=100_000,
        metric="success",
        score_max=1.0,
        source=_SOURCE,
        tags=frozenset({"mt80"}),
    )


TASKS: tuple[Task, ...] = (
    _mw("assembly"),
    _mw("basketball"),
    _mw("button-press-topdown"),
    _mw("button-press-topdown-wall"),
    _mw("button-press"),
    _mw("button-press-wall"),
    _mw("coffee-button"),
    _mw("coffee-pull"),
    _mw("coffee-push"),
    _mw("dial-turn"),
    _mw("disassemble"),
    _mw("door-open"),
    _mw("door-close"),
    _mw("drawer-close"),
    _mw("drawer-open"),
    _mw("faucet-open"),
    _mw("faucet-close"),
    _mw("hammer"),
    _mw("handle-press-side"),
    _mw("handle-press"),
    _mw("handle-pull-side"),
    _mw("handle-pull"),
    _mw("lever-pull"),
    _mw("peg-insert-side"),
    _mw("peg-unplug-side"),
    _mw("pick-out-of-hole"),
    _mw("pick-place"),
    _mw("pick-place-wall"),
    _mw("plate-slide"),
    _mw("plate-slide-side"),
    _mw("plate-slide-back"),
    _mw("plate-slide-back-side"),
    _mw("push-back"),
    _mw("push"),
    _mw("push-wall"),
    _mw("reach"),
    _mw("reach-wall"),
    _mw("shelf-place"),
    _mw("soccer"),
    _mw("stick-push"),
    _mw("stick-pull"),
    _mw("sweep-into"),
    _mw("sweep"),
    _mw("window-open"),
    _mw("window-close"),
    _mw("bin-picking"),
    _mw("box-close"),
    _mw("door-lock"),
    _mw("door-unlock"),
    _mw("hand-insert"),
)
