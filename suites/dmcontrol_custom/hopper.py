"""Planar hopper: dm_control's, made to hop backwards."""

from __future__ import annotations

import numpy as np
from dm_control.rl import control
from dm_control.suite import hopper as stock
from dm_control.utils import rewards

_TIME_LIMIT = 20.0  # seconds, dm_control's
_CONTROL_TIMESTEP = 0.02  # seconds, dm_control's

_STANDING_HEIGHTS = (0.6, 2.0)  # metres from foot to torso, dm_control's
_HOP_SPEED = 1.0  # metres per second; dm_control's hop asks for 2


def hop_backwards(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to hop backwards, on dm_control's model."""
    physics = stock.Physics.from_xml_string(*stock.get_model_and_assets())
    return control.Environment(
        physics,
        HopBackwards(random=random),
        time_limit=time_limit,
        control_timestep=_CONTROL_TIMESTEP,
    )


class HopBackwards(stock.Hopper):
    """Move backwards while standing."""

    def __init__(self, *, random: np.random.RandomState | int | None = None) -> None:
        """Build the task."""
        super().__init__(hopping=True, random=random)

    def get_reward(self, physics: stock.Physics) -> float:
        """Return a reward that grows with the speed backwards; 0 unless standing."""
        standing = rewards.tolerance(physics.height(), bounds=_STANDING_HEIGHTS)
        hopping = rewards.tolerance(
            physics.speed(),
            bounds=(-float("inf"), -_HOP_SPEED),
            margin=_HOP_SPEED / 2,
            value_at_margin=0.5,
            sigmoid="linear",
        )
        return float(standing * hopping)
