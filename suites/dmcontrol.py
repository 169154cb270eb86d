"""Which DMControl tasks are in the benchmark: 28 of dm_control's suite and 11 of our own.

The rows are plain data and need no simulator; `make` imports dm_control. The 11, tagged "custom",
are the paper's and live in ``dmcontrol_custom/``. Rows stand in the order of the multitask set
mt30; the nine tasks outside it follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv

DISTRIBUTIONS = ("dm_control", "mujoco")  # PyPI distributions whose versions a result depends on
EXTRA = "dmcontrol"  # pip extra that installs the simulator

_LONG = 14_000_000  # budget of the tasks that the paper calls locomotion, environment steps

_SOURCE = (
    "TD-MPC2 paper: episode length, action repeat; its published curves: budget, cadence; "
    "dm_control 1.0.49, measured: dimensions"
)


def make(task: Task) -> TaskEnv:
    """Build the environment of ``task``. Imports dm_control, so that listing tasks need not."""
    from tdmpc2_bench.suites import offscreen

    offscreen.not_needed()
    from tdmpc2_bench.env import TaskEnv
    from tdmpc2_bench.suites import dmcontrol_simulation

    return TaskEnv(task, dmcontrol_simulation.load(task.env_id))


def _dmc(name: str, *, obs_dim: int, action_dim: int, tags: str, budget: int = 4_000_000) -> Task:
    """Return a row; what is not an argument holds for every task of the suite.

    Args:
        name: dm_control's domain, then its task, with hyphens; "cup" is short for ball-in-cup.
        obs_dim: length of the flattened observation.
        action_dim: number of actuators.
        tags: separated by spaces: "fast" is nearly solved by 100 000 environment steps, "sparse"
            has a reward of 0 or 1, "pixels" has a published curve from pixels too.
        budget: length of the published curve, environment steps.
    """
    domain, _, rest = name.partition("-")
    aliases: tuple[str, ...] = ()
    if domain == "cup":
        domain, aliases = "ball_in_cup", (f"ball-in-cup-{rest}",)
    return Task(
        name=name,
        suite="dmcontrol",
        env_id=f"{domain}/{rest.replace('-', '_')}",
        obs_dim=obs_dim,
        action_dim=action_dim,
        episode_steps=1000,
        action_repeat=2,
        budget=budget,
        eval_every=100_000,
        metric="return",
        score_max=1000.0,
        source=_SOURCE,
        tags=frozenset(tags.split()),
        aliases=aliases,
    )


TASKS: tuple[Task, ...] = (
    _dmc("walker-stand", obs_dim=24, action_dim=6, tags="mt30 mt80 fast"),
    _dmc("walker-walk", obs_dim=24, action_dim=6, tags="mt30 mt80 fast pixels"),
    _dmc("walker-run", obs_dim=24, action_dim=6, tags="mt30 mt80 pixels"),
    _dmc("cheetah-run", obs_dim=17, action_dim=6, tags="mt30 mt80 pixels"),
    _dmc("reacher-easy", obs_dim=6, action_dim=2, tags="mt30 mt80 sparse fast pixels"),
    _dmc("reacher-hard", obs_dim=6, action_dim=2, tags="mt30 mt80 sparse pixels"),
    _dmc("acrobot-swingup", obs_dim=6, action_dim=1, tags="mt30 mt80 pixels"),
    _dmc("pendulum-swingup", obs_dim=3, action_dim=1, tags="mt30 mt80 sparse fast"),
    _dmc("cartpole-balance", obs_dim=5, action_dim=1, tags="mt30 mt80 fast"),
    _dmc("cartpole-balance-sparse", obs_dim=5, action_dim=1, tags="mt30 mt80 sparse fast"),
    _dmc("cartpole-swingup", obs_dim=5, action_dim=1, tags="mt30 mt80 fast"),
    _dmc("cartpole-swingup-sparse", obs_dim=5, action_dim=1, tags="mt30 mt80 sparse pixels"),
    _dmc("cup-catch", obs_dim=8, action_dim=2, tags="mt30 mt80 sparse fast"),
    _dmc("finger-spin", obs_dim=9, action_dim=2, tags="mt30 mt80 sparse fast pixels"),
    _dmc("finger-turn-easy", obs_dim=12, action_dim=2, tags="mt30 mt80 sparse pixels"),
    _dmc("finger-turn-hard", obs_dim=12, action_dim=2, tags="mt30 mt80 sparse pixels"),
    _dmc("fish-swim", obs_dim=24, action_dim=5, tags="mt30 mt80"),
    _dmc("hopper-stand", obs_dim=15, action_dim=4, tags="mt30 mt80"),
    _dmc("hopper-hop", obs_dim=15, action_dim=4, tags="mt30 mt80"),
    _dmc("walker-walk-backwards", obs_dim=24, action_dim=6, tags="mt30 mt80 custom fast"),
    _dmc("walker-run-backwards", obs_dim=24, action_dim=6, tags="mt30 mt80 custom"),
    _dmc("cheetah-run-backwards", obs_dim=17, action_dim=6, tags="mt30 mt80 custom"),
    _dmc("cheetah-run-front", obs_dim=17, action_dim=6, tags="mt30 mt80 custom"),
    _dmc("cheetah-run-back", obs_dim=17, action_dim=6, tags="mt30 mt80 custom"),
    _dmc("cheetah-jump", obs_dim=17, action_dim=6, tags="mt30 mt80 custom"),
    _dmc("hopper-hop-backwards", obs_dim=15, action_dim=4, tags="mt30 mt80 custom"),
    _dmc("reacher-three-easy", obs_dim=8, action_dim=3, tags="mt30 mt80 custom sparse fast"),
    _dmc("reacher-three-hard", obs_dim=8, action_dim=3, tags="mt30 mt80 custom sparse"),
    _dmc("cup-spin", obs_dim=8, action_dim=2, tags="mt30 mt80 custom fast"),
    _dmc("pendulum-spin", obs_dim=3, action_dim=1, tags="mt30 mt80 custom fast"),
    _dmc("dog-stand", obs_dim=223, action_dim=38, tags="locomotion high-dim", budget=_LONG),
    _dmc("dog-walk", obs_dim=223, action_dim=38, tags="locomotion high-dim", budget=_LONG),
    _dmc("dog-trot", obs_dim=223, action_dim=38, tags="locomotion high-dim", budget=_LONG),
    _dmc("dog-run", obs_dim=223, action_dim=38, tags="locomotion high-dim", budget=_LONG),
    _dmc("humanoid-stand", obs_dim=67, action_dim=21, tags="locomotion high-dim", budget=_LONG),
    _dmc("humanoid-walk", obs_dim=67, action_dim=21, tags="locomotion high-dim", budget=_LONG),
    _dmc("humanoid-run", obs_dim=67, action_dim=21, tags="locomotion high-dim", budget=_LONG),
    _dmc("quadruped-walk", obs_dim=78, action_dim=12, tags="pixels"),
    _dmc("quadruped-run", obs_dim=78, action_dim=12, tags="pixels"),
)
