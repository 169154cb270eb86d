"""Pendulum: dm_control's, made to spin, either way round."""

from __future__ import annotations

import numpy as np
from dm_control.rl import control
from dm_control.suite import pendulum as stock
from dm_control.utils import rewards

_TIME_LIMIT = 20.0  # seconds, dm_control's; the control timestep is the model's, 0.02 s

_SPIN_SPEED = 9.0  # radians per second


def spin(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to spin, on dm_control's model."""
    physics = stock.Physics.from_xml_string(*stock.get_model_and_assets())
    return control.Environment(physics, Spin(random=random), time_limit=time_limit)


class Spin(stock.SwingUp):
    """Turn fast, in either direction."""

    def get_reward(self, physics: stock.Physics) -> float:
        """Return a reward that grows with the angular speed."""
        return float(
            rewards.tolerance(
                abs(physics.angular_velocity().item()),  # an array of one entry
                bounds=(_SPIN_SPEED, float("inf")),
                margin=_SPIN_SPEED / 2,
                value_at_margin=0.5,
                sigmoid="linear",
            )
        )
