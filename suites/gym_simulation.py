"""How a gymnasium environment becomes a `Simulation`: flat observations, rescaled actions."""

from __future__ import annotations

import importlib.metadata
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tdmpc2_bench.env import FloatArray, Outcome
from tdmpc2_bench.errors import UnknownName, UsageError

_PICTURE_AXES = 3  # an observation with so many axes is a picture
_PICTURES = "rgb_array"  # the render mode that returns them
_NO_LIMIT = -1  # gymnasium's word for: do not wrap in a time limit

Environment = gymnasium.Env[Any, Any]  # observations and actions are of the spaces' types


class Description(NamedTuple):
    """What a task needs to know of an environment."""

    env_id: str  # in full, with its version
    obs_dim: int
    action_dim: int
    time_limit: int  # environment steps
    distributions: tuple[str, ...]  # PyPI distributions that the environment is made of


def describe(env_id: str) -> Description:
    """Build the environment and read off what it is.

    Raises:
        UnknownName: gymnasium knows none of that id.
        UsageError: it cannot be built, or is no task for continuous control from a state.
    """
    env = _make(env_id)
    try:
        _check(env_id, env.observation_space, env.action_space)
        limit = env.spec.max_episode_steps if env.spec else None
        if limit is None:
            msg = f"gym:{env_id} has no time limit: register it with max_episode_steps"
            raise UsageError(msg)
        of_module, colon, _ = env_id.rpartition(":")
        return Description(
            f"{of_module}{colon}{env.spec.id}" if env.spec else env_id,
            spaces.flatdim(env.observation_space),
            spaces.flatdim(env.action_space),
            limit,
            _distributions(env.unwrapped),
        )
    finally:
        env.close()


def load(env_id: str) -> GymSimulation:
    """Build the simulation, without a time limit: `TaskEnv` has its own."""
    env = _make(env_id, max_episode_steps=_NO_LIMIT)
    if _PICTURES in env.metadata.get("render_modes", ()):  # others would refuse it
        env.close()
        env = _make(env_id, max_episode_steps=_NO_LIMIT, render_mode=_PICTURES)
    return GymSimulation(env)


class GymSimulation:
    """A gymnasium environment seen from the harness."""

    def __init__(self, env: Environment) -> None:
        """Wrap ``env``, whose spaces have been found to be in order."""
        self._env = env
        self.steps_per_second = float(env.metadata.get("render_fps", 30))
        box = env.action_space
        assert isinstance(box, spaces.Box)  # noqa: S101 - `describe` has seen to it
        self._shape = box.shape
        # Centre and half width, so that bounds of -1 and 1 leave every action exactly as it is.
        self._centre = (box.high + box.low) / 2
        self._half_width = (box.high - box.low) / 2

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode that ``seed`` names."""
        obs, _ = self._env.reset(seed=seed)
        return self._flat(obs)

    def step(self, action: FloatArray) -> Outcome:
        """Advance one environment step."""
        scaled = self._centre + self._half_width * action.reshape(self._shape)
        obs, reward, terminated, truncated, info = self._env.step(scaled)
        success = info.get("is_success", info.get("success"))
        return Outcome(
            self._flat(obs),
            float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            success=None if success is None else bool(success),
        )

    def render(self) -> NDArray[np.uint8]:
        """What the environment draws."""
        if self._env.render_mode != _PICTURES:
            msg = f"{self._env} cannot be drawn: it offers no render mode {_PICTURES}"
            raise UsageError(msg)
        try:
            picture: Any = self._env.render()
        except Exception as error:  # environments may raise anything, and lack what they need
            msg = f"{self._env} cannot be drawn: {type(error).__name__}: {error}"
            raise UsageError(msg) from error
        return np.asarray(picture, np.uint8)

    def close(self) -> None:
        """Release the environment."""
        self._env.close()

    def _flat(self, obs: Any) -> NDArray[Any]:  # of the observation space
        flat: NDArray[Any] = np.asarray(spaces.flatten(self._env.observation_space, obs))
        return flat


def _make(env_id: str, **options: Any) -> Environment:  # options of gymnasium.make
    try:
        return gymnasium.make(env_id, disable_env_checker=True, **options)
    except gymnasium.error.UnregisteredEnv as error:
        raise UnknownName("gymnasium environment", env_id, gymnasium.registry) from error
    except Exception as error:  # environments may raise anything, and lack what they need
        msg = f"gym:{env_id} cannot be built: {type(error).__name__}: {error}"
        raise UsageError(msg) from error


def _check(env_id: str, obs: Any, action: Any) -> None:  # gymnasium's spaces are loosely typed
    """Refuse what cannot be learned here, naming it."""
    if not isinstance(action, spaces.Box) or not np.isfinite([action.low, action.high]).all():
        msg = f"gym:{env_id}: expected continuous actions within bounds, got {action}"
        raise UsageError(msg)
    if not obs.is_np_flattenable or _is_picture(obs):
        msg = f"gym:{env_id}: expected observations of numbers that make up a state, got {obs}"
        raise UsageError(msg)


def _is_picture(obs: Any) -> bool:
    parts = obs.spaces if isinstance(obs, spaces.Tuple) else [obs]
    if isinstance(obs, spaces.Dict):
        parts = list(obs.spaces.values())
    return any(isinstance(part, spaces.Box) and len(part.shape) >= _PICTURE_AXES for part in parts)


def _distributions(env: Any) -> tuple[str, ...]:
    """Distributions of the environment's class and of what it is made of, numpy aside."""
    owners = importlib.metadata.packages_distributions()
    types = [*type(env).__mro__, *map(type, vars(env).values())]
    modules = {one.__module__.partition(".")[0] for one in types}
    names = {name for module in modules for name in owners.get(module, ())}
    return tuple(sorted(names - {"gymnasium", "numpy", "tdmpc2-bench"}))
