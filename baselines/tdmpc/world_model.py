"""TD-MPC's networks: TD-MPC2's, otherwise built, with a target encoder and a noisy actor.

Source: TD-MPC (arXiv 2203.04955), section 3 and appendix.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tdmpc2_bench.baselines.nets import Activation, Initial, mish, narrow_normal, orthogonal
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc.config import ResolvedTDMPCConfig
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample, Style, WorldModel
from tdmpc2_bench.task import Task

_ACTIVATIONS: Mapping[str, Activation] = {"elu": functional.elu, "mish": mish}
_INITIALS: Mapping[str, Initial] = {"orthogonal": orthogonal, "normal": narrow_normal}


class TDMPCModel(WorldModel):
    """All networks of one agent.

    The method averages its whole model; of that, only the encoder and the Q-heads are ever used.
    """

    _config: ResolvedTDMPCConfig

    def __init__(
        self, config: ResolvedTDMPCConfig, task: Task, generators: Sequence[torch.Generator]
    ) -> None:
        """Build and initialise one lane per generator."""
        act = _ACTIVATIONS[config.act]
        q_blocks: dict[str, Any] = {}
        if config.q_block == "tanh":
            q_blocks = {"norm": (True, False), "act": (torch.tanh, act)}
        super().__init__(config, task, generators, Style(act, _INITIALS[config.init], q_blocks))
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(requires_grad=False)
        self.networks = (*self.networks, self.target_encoder)

    def act(self, z: Tensor, noise: Noise) -> PolicySample:
        """The policy at latents (lanes, rows, latent_dim), with the noise of its own."""
        if self._config.actor == "maxent":
            return super().act(z, noise)
        return self.noisy(z, noise, self._config.actor_std)

    def noisy(self, z: Tensor, noise: Noise, std: float) -> PolicySample:
        """The deterministic policy with noise: tanh(mean) + clip(std eps), kept in the box.

        Gradients pass as if it were not kept there. Source: TD-MPC, appendix; the clipped noise
        is TD3's (Fujimoto et al. 2018).
        """
        mean = self.policy(z).tanh()
        eps = noise.normal(*mean.shape[1:])
        clip = self._config.actor_clip
        action = mean + (std * eps).clamp(-clip, clip)
        action = action + (action.clamp(-1, 1) - action).detach()
        return PolicySample(action, mean, torch.full_like(mean, math.log(std)), eps)

    def update_target(self) -> None:
        """Move the target heads and the target encoder by tau towards the online ones."""
        super().update_target()
        self._move(self.target_encoder.parameters(), self.encoder.parameters())
