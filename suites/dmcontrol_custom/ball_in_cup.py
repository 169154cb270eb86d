"""Ball in cup: dm_control's, made to swing the ball around outside the cup."""

from __future__ import annotations

import numpy as np
from dm_control.rl import control
from dm_control.suite import ball_in_cup as stock
from dm_control.utils import rewards

_TIME_LIMIT = 20.0  # seconds, dm_control's
_CONTROL_TIMESTEP = 0.02  # seconds, dm_control's

_DISTANCE = 0.5  # metres from the inside of the cup to the ball
_SPEED = 6.0  # metres per second
_P_START_ANYWHERE = 0.1  # of the episodes; the others start with the ball in the cup


def spin(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to spin the ball, on dm_control's model."""
    physics = stock.Physics.from_xml_string(*stock.get_model_and_assets())
    return control.Environment(
        physics, Spin(random=random), time_limit=time_limit, control_timestep=_CONTROL_TIMESTEP
    )


class Spin(stock.BallInCup):
    """Move the ball fast and far from the cup."""

    def initialize_episode(self, physics: stock.Physics) -> None:
        """Put the ball into the cup, or sometimes anywhere that it touches nothing."""
        anywhere = self.random.uniform() < _P_START_ANYWHERE
        super().initialize_episode(physics)  # draws until the ball touches nothing
        while not (anywhere or physics.in_target()):
            super().initialize_episode(physics)

    def get_reward(self, physics: stock.Physics) -> float:
        """Return the reward for distance and, twice as much, for speed; 0 inside the cup."""
        far = rewards.tolerance(
            np.linalg.norm(physics.ball_to_target()),
            bounds=(_DISTANCE, float("inf")),
            margin=_DISTANCE / 2,
            value_at_margin=0.5,
            sigmoid="linear",
        )
        # In the world's frame: the ball's joints are not children of the cup.
        fast = rewards.tolerance(
            np.linalg.norm(physics.named.data.qvel[["ball_x", "ball_z"]]),
            bounds=(_SPEED, float("inf")),
            margin=_SPEED / 2,
            value_at_margin=0.5,
            sigmoid="linear",
        )
        return float((1 - physics.in_target()) * (far + 2 * fast) / 3)
