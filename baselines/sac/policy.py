"""How the networks of the reference SAC differ from those of stable-baselines3.

SB3 has no argument for an orthogonal start, nor for how the actor's log std is bounded; everything
else of the reference network is an argument. Source: denisyarats/pytorch_sac.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor, nn

from tdmpc2_bench.baselines.sac.config import SACConfig

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class SquashedActor(Actor):
    """An actor whose log std is squashed into its range instead of being cut."""

    def get_action_dist_params(self, obs: PyTorchObs) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Mean before tanh and log std at observations (rows, obs_dim), each (rows, action_dim)."""
        head: Any = self.log_std  # a layer; only with SB3's gSDE, which is not used, a parameter
        hidden = self.latent_pi(self.extract_features(obs, self.features_extractor))
        share = (torch.tanh(head(hidden)) + 1) / 2
        return self.mu(hidden), LOG_STD_MIN + (LOG_STD_MAX - LOG_STD_MIN) * share, {}


class ConfiguredPolicy(SACPolicy):
    """SB3's policy with the start and the bounds that the settings ask for."""

    def __init__(self, *arguments: Any, settings: SACConfig, **further: Any) -> None:
        """Build the networks.

        Args:
            arguments: as of `SACPolicy`.
            settings: of which `init` and `log_std` are looked at.
            further: as of `SACPolicy`.
        """
        self._settings = settings  # first: the base class builds the networks at once
        super().__init__(*arguments, **further)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Build the actor."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        kind = SquashedActor if self._settings.log_std == "tanh" else Actor
        actor = kind(**kwargs).to(self.device)
        if self._settings.init == "orthogonal":
            _initialise(actor)
            heads: list[Any] = [actor.mu, actor.log_std]
            _initialise_together(heads)
        return actor

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        """Build the critics, or those that become their targets: SB3 makes the two alike."""
        critic = super().make_critic(features_extractor)
        if self._settings.init == "orthogonal":
            _initialise(critic)
        return critic


def _initialise(network: nn.Module) -> None:
    """Orthogonal weights, gain 1, and zero biases in all linear layers."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)


@torch.no_grad()
def _initialise_together(heads: Sequence[nn.Linear]) -> None:
    """Weights of several output layers as of one: the reference has mean and log std in one."""
    rows = [head.out_features for head in heads]
    weight = torch.empty(sum(rows), heads[0].in_features)
    nn.init.orthogonal_(weight)
    for head, part in zip(heads, weight.split(rows), strict=True):
        head.weight.copy_(part)
