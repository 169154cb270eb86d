"""Which ManiSkill2 tasks are in the benchmark: five manipulation tasks, from state.

The tasks can be listed but not yet run. An env_id here is ManiSkill2's id and, after the slash,
the control mode, which decides the length of the action vector.
"""

from __future__ import annotations

from tdmpc2_bench.task import Task

DISTRIBUTIONS = ("mani_skill2", "sapien")  # PyPI distributions whose versions a result depends on
EXTRA = "maniskill2"  # pip extra that installs the simulator

_SOURCE = (
    "TD-MPC2 paper: control mode, episode length, action repeat; its published curves: budget, "
    "cadence; ManiSkill2 0.5.3, measured (pick-ycb and turn-faucet on stand-in assets): dimensions"
)


def _ms(name: str, env_id: str, *, obs_dim: int, action_dim: int, budget: int = 4_000_000) -> Task:
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
    )


TASKS: tuple[Task, ...] = (
    _ms("lift-cube", "LiftCube-v0/pd_ee_delta_pos", obs_dim=42, action_dim=4),
    _ms("pick-cube", "PickCube-v0/pd_ee_delta_pos", obs_dim=51, action_dim=4),
    _ms("stack-cube", "StackCube-v0/pd_ee_delta_pos", obs_dim=55, action_dim=4),
    _ms(
        "pick-ycb", "PickSingleYCB-v0/pd_ee_delta_pose", obs_dim=51, action_dim=7, budget=14_000_000
    ),
    _ms("turn-faucet", "TurnFaucet-v0/pd_ee_delta_pose", obs_dim=40, action_dim=7),
)
