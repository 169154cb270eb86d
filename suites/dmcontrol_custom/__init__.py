"""The 11 tasks that the TD-MPC2 paper adds to dm_control's suite, one file per domain.

Each file has dm_control's order (constants, model, tasks, classes) and says only how its tasks
differ from dm_control's own of that domain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dm_control.rl import control

from tdmpc2_bench.suites.dmcontrol_custom import (
    ball_in_cup,
    cheetah,
    hopper,
    pendulum,
    reacher,
    walker,
)

# "domain/task" -> what builds it; like dm_control's own, each takes `time_limit` and `random`.
FACTORIES: Mapping[str, Callable[..., control.Environment]] = {
    "ball_in_cup/spin": ball_in_cup.spin,
    "cheetah/jump": cheetah.jump,
    "cheetah/run_back": cheetah.run_back,
    "cheetah/run_backwards": cheetah.run_backwards,
    "cheetah/run_front": cheetah.run_front,
    "hopper/hop_backwards": hopper.hop_backwards,
    "pendulum/spin": pendulum.spin,
    "reacher/three_easy": reacher.three_easy,
    "reacher/three_hard": reacher.three_hard,
    "walker/run_backwards": walker.run_backwards,
    "walker/walk_backwards": walker.walk_backwards,
}
