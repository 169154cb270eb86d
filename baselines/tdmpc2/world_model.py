"""TD-MPC2's networks: encoder, latent dynamics, reward, policy prior, Q-ensemble, termination.

Every tensor has the lane axis first: data (lanes, rows, width). There is no target encoder and no
target policy; only the Q-ensemble has one. Source: TD-MPC2, section 3.1 and appendix. TD-MPC, the
version before, overrides here what it does otherwise (`baselines.tdmpc.world_model`).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tdmpc2_bench.baselines.nets import (
    MLP,
    Activation,
    Initial,
    Layer,
    identity,
    mish,
    narrow_normal,
    simnorm,
)
from tdmpc2_bench.baselines.noise import Dropout, Noise
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig
from tdmpc2_bench.baselines.tdmpc2.regression import Regression
from tdmpc2_bench.task import Task


class PolicySample(NamedTuple):
    """Actions of the policy prior and what its entropy term needs."""

    action: Tensor  # (lanes, rows, action_dim), tanh(mean + eps exp(log_std))
    mean: Tensor  # (lanes, rows, action_dim), tanh(mean)
    log_std: Tensor  # (lanes, rows, action_dim)
    eps: Tensor  # (lanes, rows, action_dim), the standard normal draw


class Style(NamedTuple):
    """What the networks are made of; the defaults are TD-MPC2's."""

    act: Activation = mish  # of hidden layers
    initial: Initial = narrow_normal  # how weights are drawn
    q_blocks: Mapping[str, Any] = MappingProxyType({})  # what Q-heads have otherwise, see `MLP`


class WorldModel(nn.Module):
    """All networks of one agent, for ``lanes`` seeds at once."""

    def __init__(
        self,
        config: ResolvedConfig,
        task: Task,
        generators: Sequence[torch.Generator],
        style: Style | None = None,
    ) -> None:
        """Build and initialise one lane per generator."""
        super().__init__()
        style = style or Style()
        self._config = config
        self.regression = Regression(config.num_bins, config.bin_limit)
        lanes = len(generators)
        latent, hidden = config.latent_dim, [config.mlp_dim] * 2
        self.num_q = config.num_q
        mlp = functools.partial(MLP, norm=config.norm == "ln", act=style.act)
        to_latent = (
            functools.partial(simnorm, simplex_dim=config.simnorm_dim)
            if config.latent_norm == "simnorm"
            else identity
        )
        encoder_hidden = [config.enc_dim] * max(config.enc_layers - 1, 1)
        z_a = latent + task.action_dim
        self.encoder = mlp([task.obs_dim, *encoder_hidden, latent], (lanes,), output=to_latent)
        self.dynamics = mlp([z_a, *hidden, latent], (lanes,), output=to_latent)
        self.reward = mlp([z_a, *hidden, self.regression.width], (lanes,))
        self.policy = mlp([latent, *hidden, config.policy_width(task)], (lanes,))
        self.q = mlp([z_a, *hidden, self.regression.width], (lanes, self.num_q), **style.q_blocks)
        networks = [self.encoder, self.dynamics, self.reward, self.policy, self.q]
        if config.episodic:  # last, so that it shifts no other network's start
            self.termination = mlp([latent, *hidden, 1], (lanes,))
            networks.append(self.termination)
        for network in networks:
            # With zero reward and value outputs every logit is exactly 0 before the first update
            # (a tested invariant: the authors' code lost it for the Q heads from 2024 to 2026).
            zero_output = network in {self.reward, self.q}
            network.initialise(generators, zero_output=zero_output, initial=style.initial)
        self.target_q = copy.deepcopy(self.q).requires_grad_(requires_grad=False)
        self.networks: tuple[MLP, ...] = (*networks, self.target_q)

    def encode(self, obs: Tensor) -> Tensor:
        """Latents (lanes, rows, latent_dim) of observations (lanes, rows, obs_dim)."""
        return self.encoder(obs)

    def next(self, z: Tensor, action: Tensor) -> Tensor:
        """Latents one agent step later."""
        return self.dynamics(z, action)

    def rewards(self, z: Tensor, action: Tensor) -> Tensor:
        """Decoded rewards, shape (lanes, rows)."""
        return self.regression.decode(self.reward(z, action))

    def end_logits(self, z: Tensor) -> Tensor:
        """Logits that the episode has ended at z, shape (lanes, rows); in episodic mode only."""
        return self.termination(z).squeeze(-1)

    def act(self, z: Tensor, noise: Noise) -> PolicySample:
        """Sample the policy prior at latents (lanes, rows, latent_dim).

        Source: TD-MPC2, section 3.2; log_std squashed into [log_std_min, log_std_max].
        """
        mean, raw = self.policy(z).chunk(2, dim=-1)
        low, high = self._config.log_std_min, self._config.log_std_max
        log_std = low + 0.5 * (high - low) * (raw.tanh() + 1)
        if self._config.actor == "det":
            eps = torch.zeros_like(mean)
        else:
            eps = noise.normal(*mean.shape[1:])
        return PolicySample((mean + eps * log_std.exp()).tanh(), mean.tanh(), log_std, eps)

    def values(
        self,
        heads: list[list[Layer]],
        z: Tensor,
        action: Tensor,
        drops: Sequence[Dropout | None] | None = None,
    ) -> Tensor:
        """Decoded values of some Q heads, shape (lanes, heads, rows).

        Each head is decoded to a scalar before any minimum or mean over heads is taken.
        """
        outputs = [
            self.q(z, action, layers=head, dropout=drop)
            for head, drop in zip(heads, drops or [None] * len(heads), strict=True)
        ]
        return self.regression.decode(torch.stack(outputs, dim=1))

    def update_target(self) -> None:
        """Move the target heads by tau towards the online heads."""
        self._move(self.target_q.parameters(), self.q.parameters())

    @torch.no_grad()
    def _move(self, targets: Iterable[Tensor], online: Iterable[Tensor]) -> None:
        torch._foreach_lerp_(list(targets), list(online), self._config.tau)
