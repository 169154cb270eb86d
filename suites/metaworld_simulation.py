"""How a Meta-World environment becomes a `Simulation`: goals of our own seeds, no limit.

Importing this module imports Meta-World; which tasks there are is ``metaworld``'s business.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome
from tdmpc2_bench.suites.offscreen import Painted, View

# All of the table, past the arm. The model's own cameras stand on their heads, or far away.
_VIEW = View(centre=(0.0, 0.6, 0.15), distance=1.4, azimuth=160, elevation=-35)


def load(env_id: str) -> MetaworldSimulation:
    """Build the simulation that Meta-World calls ``env_id``: "reach-v3-goal-observable"."""
    # With a seed, building leaves numpy's global generator as it was; without, it draws from it.
    make: Any = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[env_id]  # its type says nothing of a seed
    return MetaworldSimulation(make(seed=0))


class MetaworldSimulation(Painted):
    """A Meta-World environment seen from the harness."""

    def __init__(self, environment: Any) -> None:  # Any: its classes are made at run time
        """Wrap ``environment``, whose goal is observed."""
        # As built, the goal of its first reset stays for ever, and later ones would be drawn from
        # numpy's global generator.
        environment._freeze_rand_vec = False  # noqa: SLF001 - there is no public way
        environment.seeded_rand_vec = True
        # No limit here: past its own, Meta-World raises. `TaskEnv` has the paper's.
        environment.max_path_length = sys.maxsize
        super().__init__(environment, _VIEW)

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` names: its goal, and where things lie.

        One step without an action follows, as in the paper, and what it brings is not observed.
        """
        self._environment.seed(seed)  # reset() has an argument for it, and ignores it
        obs: NDArray[Any]
        obs, _ = self._environment.reset()
        self._environment.step(np.zeros(self._environment.action_space.shape, np.float32))
        return obs

    def step(self, action: FloatArray) -> Outcome:
        """Advance one environment step; episodes never end by themselves."""
        obs, reward, _, _, info = self._environment.step(action)
        return Outcome(obs, float(reward), success=bool(info["success"]))
