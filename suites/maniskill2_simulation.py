"""How a ManiSkill2 environment becomes a `Simulation`: dense rewards, episodes that do not end.

Importing this module imports mani_skill2 and sapien; which tasks there are is ``maniskill2``'s
business, on which engine they run ``maniskill2_engine``'s.
"""

from __future__ import annotations

from typing import Any

import mani_skill2.envs  # registers the environments  # noqa: F401
import numpy as np
from mani_skill2.utils.registration import REGISTERED_ENVS
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.suites import maniskill2_engine, maniskill2_headless
from tdmpc2_bench.suites.maniskill2_engine import Engine


def load(env_id: str) -> ManiSkill2Simulation:
    """Build the simulation of ``env_id``, "ManiSkill2's id/control mode"."""
    name, _, control_mode = env_id.partition("/")
    options = {
        "obs_mode": "state",
        "reward_mode": "dense",  # the only one when the paper was written; now it must be named
        "control_mode": control_mode,
    }
    engine = maniskill2_engine.choose()
    # Neither way wraps it in a time limit: `TaskEnv` has its own.
    if engine == "headless":
        return ManiSkill2Simulation(maniskill2_headless.build(name, **options), engine)
    environment = REGISTERED_ENVS[name].make(render_mode="rgb_array", **options)
    return ManiSkill2Simulation(environment, engine)


class ManiSkill2Simulation:
    """A ManiSkill2 environment seen from the harness."""

    def __init__(self, environment: Any, engine: Engine) -> None:  # Any: mani_skill2 is untyped
        """Wrap ``environment``, which runs on ``engine``."""
        self._environment = environment
        self.facts = {"engine": engine}
        self.steps_per_second = float(environment.control_freq)

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` (below 2**32) names, as if newly built with it.

        In a new scene: a used one remembers contacts, which changes how cubes lie on each other.
        """
        obs: NDArray[Any]
        obs, _ = self._environment.reset(seed=seed, options={"reconfigure": True})
        return obs

    def step(self, action: FloatArray) -> Outcome:
        """Advance one control step. An episode goes on after success, as it did for the paper."""
        obs, reward, _, _, info = self._environment.step(action)
        return Outcome(obs, float(reward), success=bool(info["success"]))

    def render(self) -> NDArray[np.uint8]:
        """The view of ManiSkill2's own camera.

        Raises:
            UsageError: there is no Vulkan device to draw with.
        """
        if self.facts["engine"] == "headless":
            msg = (
                "ManiSkill2 draws with a Vulkan device only, and found none here, or was not to "
                f"look for one ({maniskill2_engine.VARIABLE}=headless)"
            )
            raise UsageError(msg)
        return np.asarray(self._environment.render(), np.uint8)

    def close(self) -> None:
        """Release the scene."""
        self._environment.close()
