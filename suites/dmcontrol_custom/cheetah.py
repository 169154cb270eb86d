"""Cheetah: dm_control's, made to run backwards, to run on one pair of feet and to jump."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from dm_control.rl import control
from dm_control.suite import cheetah as stock
from dm_control.utils import rewards

from tdmpc2_bench.suites.dmcontrol_custom import floor

_TIME_LIMIT = 10.0  # seconds, dm_control's; the control timestep is the model's, 0.01 s
_FLOOR_HALF_LENGTH = 200.0  # metres, twice dm_control's

_BACKWARDS_SPEED = 8.0  # metres per second
_ONE_FOOT_SPEED = 6.0  # metres per second
_JUMP_SPEED = 0.5  # metres per second, at most, either way
_RAISED_HEIGHT = 1.2  # metres: a torso or foot at this height counts as raised


def get_model_and_assets() -> tuple[bytes, dict[str, bytes]]:
    """Return dm_control's model on a longer floor, and the files that it includes."""
    xml, assets = stock.get_model_and_assets()
    return floor.lengthen(xml, "ground", half_length=_FLOOR_HALF_LENGTH), assets


def run_backwards(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to run backwards."""
    return _environment(RunBackwards(random=random), time_limit)


def run_front(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to run on the front foot, the back foot in the air."""
    return _environment(RunOnOneFoot(raised="bfoot", random=random), time_limit)


def run_back(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to run on the back foot, the front foot in the air."""
    return _environment(RunOnOneFoot(raised="ffoot", random=random), time_limit)


def jump(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to jump on the spot."""
    return _environment(Jump(random=random), time_limit)


def _environment(task: stock.Cheetah, time_limit: float) -> control.Environment:
    physics = stock.Physics.from_xml_string(*get_model_and_assets())
    return control.Environment(physics, task, time_limit=time_limit)


class RunBackwards(stock.Cheetah):
    """Run backwards."""

    def get_reward(self, physics: stock.Physics) -> float:
        """Return a reward that grows with the speed backwards."""
        return float(
            rewards.tolerance(
                physics.speed(),
                bounds=(-float("inf"), -_BACKWARDS_SPEED),
                margin=_BACKWARDS_SPEED,
                value_at_margin=0,
                sigmoid="linear",
            )
        )


class RunOnOneFoot(stock.Cheetah):
    """Run forwards on one foot with the other in the air."""

    def __init__(
        self,
        *,
        raised: Literal["bfoot", "ffoot"],
        random: np.random.RandomState | int | None = None,
    ) -> None:
        """Ask for the foot ``raised`` to be in the air."""
        super().__init__(random=random)
        self._raised = raised

    def get_reward(self, physics: stock.Physics) -> float:
        """Return the reward for torso and foot raised, most of it only at speed."""
        foot = _raised(physics.named.data.xpos[self._raised, "z"])
        torso = _raised(physics.named.data.xpos["torso", "z"])
        up = (3 * foot + 2 * torso) / 5
        running = rewards.tolerance(
            physics.speed(),
            bounds=(_ONE_FOOT_SPEED, float("inf")),
            margin=_ONE_FOOT_SPEED,
            value_at_margin=0,
            sigmoid="linear",
        )
        return float(up * (5 * running + 1) / 6)


class Jump(stock.Cheetah):
    """Get torso and both feet off the ground without moving along it."""

    def get_reward(self, physics: stock.Physics) -> float:
        """Return the reward for height, mostly, and for staying on the spot."""
        heights = physics.named.data.xpos[["bfoot", "ffoot"], "z"]
        halfway_to_torso = (heights + physics.named.data.xpos["torso", "z"]) / 2
        up = _raised(halfway_to_torso).mean()
        staying = rewards.tolerance(
            physics.speed(),
            bounds=(-_JUMP_SPEED, _JUMP_SPEED),
            margin=_JUMP_SPEED,
            value_at_margin=0,
            sigmoid="linear",
        )
        return float((5 * up + staying) / 6)


def _raised(height: Any) -> Any:
    return rewards.tolerance(
        height, bounds=(_RAISED_HEIGHT, float("inf")), margin=_RAISED_HEIGHT / 2
    )
