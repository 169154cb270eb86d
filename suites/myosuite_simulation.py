"""How a MyoSuite environment becomes a `Simulation`: no limit, and no ends.

Importing this module imports MyoSuite; which tasks there are is ``myosuite``'s business.
"""

from __future__ import annotations

import logging
from typing import Any

import gymnasium
import mujoco
import myosuite  # noqa: F401 - registers its environments
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome
from tdmpc2_bench.suites.offscreen import Painted, View

# A pen that is flung away may become unstable. MuJoCo then begins anew in the middle of the
# episode, which goes on, as in the paper; it says so, and would also write a file where Python was
# started.
mujoco.set_mju_user_warning(logging.getLogger(__name__).warning)

# The hand with what it holds and its targets; from the model's own cameras some are hidden.
_VIEW = View(centre=(-0.22, -0.5, 1.43), distance=0.5, azimuth=160, elevation=-25)


def load(env_id: str) -> MyoSuiteSimulation:
    """Build the simulation that gymnasium knows as ``env_id`` once MyoSuite is imported."""
    # The bare environment: what gymnasium wraps around it ends episodes, and the paper's go on.
    return MyoSuiteSimulation(gymnasium.make(env_id, disable_env_checker=True).unwrapped)


class MyoSuiteSimulation(Painted):
    """A MyoSuite environment seen from the harness."""

    def __init__(self, environment: Any) -> None:  # Any: MyoSuite's classes have more than Env
        """Wrap ``environment``, without gymnasium's wrappers."""
        super().__init__(environment, _VIEW)
        if environment.model.nlight == 0:  # the scene of reach and pose is nearly black
            headlight = environment.model.vis.headlight
            headlight.ambient[:], headlight.diffuse[:] = 0.4, 0.6

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` names."""
        obs: NDArray[Any]
        obs, _ = self._environment.reset(seed=seed)
        return obs

    def step(self, action: FloatArray) -> Outcome:
        """Advance one environment step.

        MyoSuite's word that an episode is over, when something was dropped or is out of reach, is
        ignored, as in the paper.
        """
        obs, reward, _, _, info = self._environment.step(action)
        return Outcome(obs, float(reward), success=bool(info["solved"]))
