"""Stable-baselines3's replay buffer, on the stream of episodes that the harness stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from tdmpc2_bench.agent import FloatArray
from tdmpc2_bench.baselines.replay import Replay


class StreamBuffer(BaseBuffer):
    """What SB3 adds to and samples from; rows and draws are ours.

    Unlike SB3's own it knows where episodes begin, holds each observation once, and draws from a
    generator that can be saved.
    """

    def __init__(  # noqa: PLR0913 - SB3's parameters and two of ours
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str = "cpu",
        n_envs: int = 1,
        *,
        optimize_memory_usage: bool = False,
        longest_episode: int,
        draws: np.random.Generator,
    ) -> None:
        """Reserve memory, touched only when used.

        Args:
            buffer_size: rows of completed episodes to keep.
            observation_space: of flat observations.
            action_space: of flat actions.
            device: where samples are wanted.
            n_envs: SB3's; 1.
            optimize_memory_usage: SB3's; no row is held twice here anyway.
            longest_episode: agent steps of the longest possible episode.
            draws: what samples are drawn with.
        """
        del optimize_memory_usage
        super().__init__(buffer_size, observation_space, action_space, device, n_envs)
        self.draws = draws
        self.stream = Replay(
            buffer_size,
            longest_episode,
            {
                "obs": (self.obs_shape, np.float32),
                "action": ((self.action_dim,), np.float32),
                "reward": ((), np.float32),
                "terminated": ((), np.bool_),
            },
        )

    def begin(self, obs: FloatArray) -> None:
        """Store the observation (obs_dim,) that an episode begins with."""
        action = np.zeros(self.action_dim, np.float32)
        self.stream.append(
            first=True, last=False, obs=obs, action=action, reward=0.0, terminated=False
        )

    def newest(self) -> FloatArray:
        """The observation stored last, shape (1, obs_dim)."""
        end = self.stream.rows_written
        obs: FloatArray = self.stream.rows(end - 1, end)["obs"]
        return obs

    def add(  # noqa: PLR0913, PLR0917 - SB3's parameters
        self,
        obs: FloatArray,
        next_obs: FloatArray,
        action: FloatArray,
        reward: FloatArray,
        done: NDArray[np.bool_],
        infos: Sequence[Mapping[str, Any]],
    ) -> None:
        """Store one step; arrays have an axis of one environment first, as SB3 has it.

        Args:
            obs: the observation it began at: the newest.
            next_obs: the observation it led to.
            action: the action.
            reward: the reward.
            done: the episode is over.
            infos: "TimeLimit.truncated" says that it is over for the time limit's sake.
        """
        del obs
        self.stream.append(
            first=False,
            last=bool(done[0]),
            obs=next_obs[0],
            action=action[0],
            reward=reward[0],
            terminated=bool(done[0]) and not infos[0].get("TimeLimit.truncated", False),
        )

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw steps uniformly, those of the episode in progress too."""
        return self._get_samples(self.stream.draw_steps(self.draws, batch_size), env)

    def _get_samples(
        self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """The steps that led to these rows of the stream; only a true end is ``done``."""
        del env  # nothing is normalised
        steps = self.stream.steps(batch_inds)
        return ReplayBufferSamples(
            observations=self.to_torch(steps["obs"], copy=False),
            actions=self.to_torch(steps["action"], copy=False),
            next_observations=self.to_torch(steps["next_obs"], copy=False),
            dones=self.to_torch(steps["terminated"].astype(np.float32)[:, None], copy=False),
            rewards=self.to_torch(steps["reward"][:, None], copy=False),
        )
