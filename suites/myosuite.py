"""Which MyoSuite tasks are in the benchmark: five of the hand, each with a fixed and a random goal.

The rows are plain data and need no simulator; `make` imports MyoSuite. The published result files
name the tasks ``myo-hand-<task>``; that spelling is an alias here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv

DISTRIBUTIONS = ("myosuite", "mujoco")  # PyPI distributions whose versions a result depends on
EXTRA = "myosuite"  # pip extra that installs the simulator
PROTOCOL = {"ends": "ignored"}  # what a result depends on beside the row

_SOURCE = (
    "TD-MPC2 paper: episode length, action repeat; its published curves: budget, cadence; "
    "MyoSuite 3.0.0, measured: dimensions"
)


def make(task: Task) -> TaskEnv:
    """Build the environment of ``task``. Imports MyoSuite, so that listing tasks need not."""
    from tdmpc2_bench.suites import offscreen

    offscreen.not_needed()
    from tdmpc2_bench.env import TaskEnv
    from tdmpc2_bench.suites import myosuite_simulation

    return TaskEnv(task, myosuite_simulation.load(task.env_id))


def _myo(task: str, env_id: str, *, obs_dim: int) -> Task:
    """Return a row; what is not an argument holds for every task of the suite."""
    return Task(
        name=f"myo-{task}",
        suite="myosuite",
        env_id=env_id,
        obs_dim=obs_dim,
        action_dim=39,
        # The paper's. MyoSuite itself ends obj-hold at 75, pen-twirl at 50, key-turn at 200.
        episode_steps=100,
        action_repeat=1,
        budget=2_000_000,
        eval_every=50_000,
        metric="success",
        score_max=1.0,
        source=_SOURCE,
        tags=frozenset({"high-dim"}),
        aliases=(f"myo-hand-{task}",),
    )


TASKS: tuple[Task, ...] = (
    _myo("reach", "myoHandReachFixed-v0", obs_dim=115),
    _myo("reach-hard", "myoHandReachRandom-v0", obs_dim=115),
    _myo("pose", "myoHandPoseFixed-v0", obs_dim=108),
    _myo("pose-hard", "myoHandPoseRandom-v0", obs_dim=108),
    _myo("obj-hold", "myoHandObjHoldFixed-v0", obs_dim=91),
    _myo("obj-hold-hard", "myoHandObjHoldRandom-v0", obs_dim=91),
    _myo("key-turn", "myoHandKeyTurnFixed-v0", obs_dim=93),
    _myo("key-turn-hard", "myoHandKeyTurnRandom-v0", obs_dim=93),
    _myo("pen-twirl", "myoHandPenTwirlFixed-v0", obs_dim=83),
    _myo("pen-twirl-hard", "myoHandPenTwirlRandom-v0", obs_dim=83),
)
