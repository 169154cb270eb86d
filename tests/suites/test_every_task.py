"""Every task of the benchmark keeps what the harness promises of an environment."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from promises import Make, Promises, play

from tdmpc2_bench import registry
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import SuiteUnavailable


class TestEveryTask(Promises):
    @pytest.fixture(scope="class", params=registry.tasks(), ids=lambda task: task.name)
    @classmethod
    def make(cls, request: pytest.FixtureRequest) -> Make:
        """How the task's environment is built here."""
        try:
            registry.make(request.param).close()
        except SuiteUnavailable as error:
            pytest.skip(str(error))
        return functools.partial(registry.make, request.param)

    def test_after_a_reset_the_simulator_holds_nothing_of_what_was_played(
        self, env: TaskEnv, make: Make
    ) -> None:
        """Nor what no observation shows: warm starts of the solver, activations, controls."""
        play(env, seed=4, agent_steps=30)
        fresh = make()
        for one in (env, fresh):
            one.reset(seed=5)
        np.testing.assert_array_equal(_state(env), _state(fresh))
        fresh.close()


def _state(env: TaskEnv) -> np.ndarray[Any, Any]:
    """All that MuJoCo takes into its next step."""
    mujoco = pytest.importorskip("mujoco")
    environment = getattr(env.simulation, "_environment", None)
    environment = getattr(environment, "physics", environment)
    if not hasattr(environment, "model"):
        pytest.skip("not simulated by MuJoCo in this process")
    model = getattr(environment.model, "ptr", environment.model)  # dm_control has them wrapped
    data = getattr(environment.data, "ptr", environment.data)
    state = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    return state
