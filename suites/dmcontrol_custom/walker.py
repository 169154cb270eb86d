"""Planar walker: dm_control's, made to move backwards."""

from __future__ import annotations

import numpy as np
from dm_control.rl import control
from dm_control.suite import walker as stock
from dm_control.utils import rewards

from tdmpc2_bench.suites.dmcontrol_custom import floor

_TIME_LIMIT = 25.0  # seconds, dm_control's
_CONTROL_TIMESTEP = 0.025  # seconds, dm_control's
_FLOOR_HALF_LENGTH = 500.0  # metres, twice dm_control's

_WALK_SPEED = 1.0  # metres per second
_RUN_SPEED = 8.0  # metres per second


def get_model_and_assets() -> tuple[bytes, dict[str, bytes]]:
    """Return dm_control's model on a longer floor, and the files that it includes."""
    xml, assets = stock.get_model_and_assets()
    return floor.lengthen(xml, "floor", half_length=_FLOOR_HALF_LENGTH), assets


def walk_backwards(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to walk backwards."""
    return _environment(BackwardsWalker(_WALK_SPEED, random=random), time_limit)


def run_backwards(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to run backwards."""
    return _environment(BackwardsWalker(_RUN_SPEED, random=random), time_limit)


def _environment(task: BackwardsWalker, time_limit: float) -> control.Environment:
    physics = stock.Physics.from_xml_string(*get_model_and_assets())
    return control.Environment(
        physics, task, time_limit=time_limit, control_timestep=_CONTROL_TIMESTEP
    )


class BackwardsWalker(stock.PlanarWalker):
    """Move backwards while standing upright."""

    def __init__(self, speed: float, *, random: np.random.RandomState | int | None = None) -> None:
        """Ask for ``speed`` metres per second, a positive number."""
        super().__init__(move_speed=0, random=random)
        self._speed = speed

    def get_reward(self, physics: stock.Physics) -> float:
        """Return the reward for standing, most of it only at the speed asked for."""
        standing = super().get_reward(physics)  # dm_control's reward at move_speed 0
        moving = rewards.tolerance(
            physics.horizontal_velocity(),
            bounds=(-float("inf"), -self._speed),
            margin=self._speed / 2,
            value_at_margin=0.5,
            sigmoid="linear",
        )
        return float(standing * (5 * moving + 1) / 6)
