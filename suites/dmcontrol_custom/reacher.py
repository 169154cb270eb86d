"""Reacher: dm_control's task on an arm of three links."""

from __future__ import annotations

from importlib import resources

import numpy as np
from dm_control.rl import control
from dm_control.suite import common
from dm_control.suite import reacher as stock

_TIME_LIMIT = 20.0  # seconds, dm_control's; the control timestep is the model's, 0.02 s

_BIG_TARGET = 0.05  # metres, radius, dm_control's
_SMALL_TARGET = 0.015  # metres, radius, dm_control's


def get_model_and_assets() -> tuple[bytes, dict[str, bytes]]:
    """Return the model with three links, and the files of dm_control that it includes."""
    return (resources.files(__package__) / "reacher_three.xml").read_bytes(), common.ASSETS


def three_easy(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to touch a big target."""
    return _environment(stock.Reacher(_BIG_TARGET, random=random), time_limit)


def three_hard(
    time_limit: float = _TIME_LIMIT, random: np.random.RandomState | int | None = None
) -> control.Environment:
    """Return the task to touch a small target."""
    return _environment(stock.Reacher(_SMALL_TARGET, random=random), time_limit)


def _environment(task: stock.Reacher, time_limit: float) -> control.Environment:
    physics = stock.Physics.from_xml_string(*get_model_and_assets())
    return control.Environment(physics, task, time_limit=time_limit)
