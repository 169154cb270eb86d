"""Which ManiSkill2 tasks are in the benchmark: five manipulation tasks, from state.

The rows are plain data and need no simulator; `make` imports mani_skill2, in an interpreter that
`tdmpc2-bench setup` builds. An env_id here is ManiSkill2's id and, after the slash, the control
mode, which decides the length of the action vector.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tdmpc2_bench.suites import maniskill2_assets
from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.asset import Assets
    from tdmpc2_bench.env import TaskEnv

# PyPI distributions whose versions a result depends on; numpy's is the one of its own interpreter.
DISTRIBUTIONS = ("mani_skill2", "sapien", "numpy")
# Its versions exclude those of the other suites, so it lives in an interpreter of its own.
REQUIREMENTS = "maniskill2.txt"  # every version of that interpreter; in constraints/
PROTOCOL = {"reward": "dense"}  # not normalised to 1, as when the paper was written
PYTHON = "3.11"  # the newest that sapien 2.2.2 has a build for
DEBIAN_PACKAGES = "libvulkan1 libx11-6"  # without them sapien cannot be imported

_SOURCE = (
    "TD-MPC2 paper: control mode, episode length, action repeat; its published curves: budget, "
    "cadence; ManiSkill2 0.5.3, measured (pick-ycb and turn-faucet on stand-in assets): dimensions"
)


def make(task: Task) -> TaskEnv:
    """Build the environment of ``task``. Imports mani_skill2, so that listing tasks need not."""
    os.environ.setdefault(maniskill2_assets.VARIABLE, str(maniskill2_assets.folder()))
    from tdmpc2_bench.env import TaskEnv
    from tdmpc2_bench.suites import maniskill2_simulation

    return TaskEnv(task, maniskill2_simulation.load(task.env_id))


def assets(task: Task) -> Assets | None:
    """What ``task`` needs beside the simulator."""
    return maniskill2_assets.of(task)


def _ms(  # noqa: PLR0913 - a row's columns
    name: str,
    env_id: str,
    *,
    obs_dim: int,
    action_dim: int,
    budget: int = 4_000_000,
    distributions: tuple[str, ...] = (),
) -> Task:
    """Return a row; what is not an argument holds for every task of the suite."""
    return Task(
        name=name,
        suite="maniskill2",
        env_id=env_id,
        obs_dim=obs_dim,
        action_dim=action_dim,
        episode_steps=200,
        action_repeat=2,
        budget=budget,
        eval_every=100_000,
        metric="success",
        score_max=1.0,
        source=_SOURCE,
        distributions=distributions,
    )


TASKS: tuple[Task, ...] = (
    _ms("lift-cube", "LiftCube-v0/pd_ee_delta_pos", obs_dim=42, action_dim=4),
    _ms("pick-cube", "PickCube-v0/pd_ee_delta_pos", obs_dim=51, action_dim=4),
    _ms("stack-cube", "StackCube-v0/pd_ee_delta_pos", obs_dim=55, action_dim=4),
    _ms(
        "pick-ycb", "PickSingleYCB-v0/pd_ee_delta_pose", obs_dim=51, action_dim=7, budget=14_000_000
    ),
    _ms(
        "turn-faucet",
        "TurnFaucet-v0/pd_ee_delta_pose",
        obs_dim=40,
        action_dim=7,
        distributions=("trimesh",),  # draws the points that distances are measured between
    ),
)
