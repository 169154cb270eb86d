"""How a dm_control environment becomes a `Simulation`: flat observations, rescaled actions.

Importing this module imports dm_control; which tasks there are is ``dmcontrol``'s business.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from dm_control import suite
from dm_control.rl import control
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome
from tdmpc2_bench.errors import Diverged
from tdmpc2_bench.suites import offscreen
from tdmpc2_bench.suites.dmcontrol_custom import FACTORIES


def load(env_id: str) -> DmControlSimulation:
    """Build the simulation of ``env_id``, "domain/task": ours if we have one, else dm_control's."""
    # No limit here: dm_control's would reset the simulation behind the back of `TaskEnv`.
    no_limit = {"time_limit": float("inf")}
    if env_id in FACTORIES:
        return DmControlSimulation(FACTORIES[env_id](**no_limit))
    domain, _, task = env_id.partition("/")
    return DmControlSimulation(suite.load(domain, task, task_kwargs=no_limit))


class DmControlSimulation:
    """A dm_control environment seen from the harness."""

    def __init__(self, environment: control.Environment) -> None:
        """Wrap ``environment``, a task of dm_control's suite or one like it."""
        self._environment = environment
        self.steps_per_second = 1 / environment.control_timestep()
        bounds = environment.action_spec()
        # Centre and half width, not lower bound and width: bounds of -1 and 1 leave every action
        # exactly as it is. Only quadruped has others.
        self._centre = (bounds.maximum + bounds.minimum) / 2
        self._half_width = (bounds.maximum - bounds.minimum) / 2

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` (below 2**32) names, as if newly built with it."""
        self._environment.task.random.seed(seed)
        return _flat(self._environment.reset())

    def step(self, action: FloatArray) -> Outcome:
        """Advance one control step.

        Raises:
            Diverged: MuJoCo found the state unusable (not finite, or absurdly large).
        """
        try:
            time_step = self._environment.step(self._centre + self._half_width * action)
        except control.PhysicsError as error:
            raise Diverged(str(error)) from error
        return Outcome(
            obs=_flat(time_step),
            reward=0.0 if time_step.reward is None else float(time_step.reward),
            terminated=time_step.discount == 0.0,
        )

    def render(self) -> NDArray[np.uint8]:
        """The view of the model's first camera.

        Raises:
            UsageError: MuJoCo was given no renderer that works here.
        """
        with offscreen.explained():
            picture: NDArray[np.uint8] = self._environment.physics.render(
                height=offscreen.HEIGHT, width=offscreen.WIDTH, camera_id=0
            )
        return picture

    def close(self) -> None:
        """Release the simulator, and what it draws with while that still ends quietly."""
        self._environment.physics.free()


def _flat(time_step: Any) -> NDArray[Any]:  # Any: dm_env's TimeStep is untyped
    """Return the entries of the observation in their own order, as one new vector."""
    return np.concatenate([np.ravel(entry) for entry in time_step.observation.values()])
