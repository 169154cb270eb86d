"""TD-MPC of one lane, plainly and slowly: the reference of its tests.

Written from the method's description, on top of the plain TD-MPC2 where both agree.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import plain
import torch
from plain import TASK
from torch import Tensor

from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc.config import ResolvedTDMPCConfig, TDMPCConfig

_TINY: dict[str, Any] = {
    "enc_dim": 12, "mlp_dim": 16, "latent_dim": 16, "batch_size": 8, "iterations": 3,
    "num_samples": 11, "num_elites": 4, "num_pi_trajs": 3, "horizon": 3, "seed_steps": 18,
    "schedule_steps": 42, "capacity": 200,
}  # fmt: skip


def tiny(**overrides: Any) -> TDMPCConfig:  # a config's values are of many types
    """Settings small enough for loops."""
    return TDMPCConfig(**{**_TINY, **overrides})


def resolved(**overrides: Any) -> ResolvedTDMPCConfig:
    """The tiny settings for `plain.TASK`."""
    return tiny(**overrides).resolved(TASK)


class Lane(plain.Lane):
    """The networks of one lane; data are (rows, width)."""

    config: ResolvedTDMPCConfig

    def mlp(
        self,
        name: str,
        x: Tensor,
        *,
        head: int | None = None,
        latent: bool = False,
        keep: Tensor | None = None,
    ) -> Tensor:
        """Linear and ELU; the first layer of a Q-head LayerNorm and tanh; the last layer linear."""
        del latent, keep
        depth = sum(key.startswith(f"{name}.weight") for key in self.weights)
        for i in range(depth):
            layer = {
                key: value if head is None else value[head]
                for key in ("weight", "bias", "scale", "shift")
                if (value := self.weights.get(f"{name}.{key}_{i}")) is not None
            }
            x = x @ layer["weight"] + layer["bias"]
            if i == depth - 1:
                break
            if head is not None and i == 0:
                centred = x - x.mean(-1, keepdim=True)
                deviation = ((centred**2).mean(-1, keepdim=True) + 1e-5).sqrt()
                x = torch.tanh(centred / deviation * layer["scale"] + layer["shift"])
            else:
                assert "scale" not in layer
                x = torch.where(x > 0, x, torch.exp(torch.clamp(x, max=0)) - 1)
        return x

    def policy(self, z: Tensor, eps: Tensor, std: float | None = None) -> plain.Sample:
        """The policy's action for the normal draw ``eps``."""
        mean = torch.tanh(self.mlp("policy", z))
        std = self.config.actor_std if std is None else std
        clip = self.config.actor_clip
        raw = mean + torch.clamp(std * eps.double(), -clip, clip)
        action = raw + (torch.clamp(raw, -1, 1) - raw).detach()
        return plain.Sample(action, mean, torch.full_like(mean, math.log(std)), eps)

    def draw_action(self, noise: Noise, rows: int, action_dim: int) -> Tensor:
        """The normal draw of a policy's action."""
        return noise.normal(rows, action_dim)[0]


class Loss(NamedTuple):
    """The parts of a model loss."""

    total: Tensor
    parts: dict[str, Tensor]
    z: list[Tensor]
    priorities: Tensor  # (batch,)


class Batch(NamedTuple):
    """Sub-sequences, (time, batch, ..), and their weights (batch,)."""

    obs: Tensor
    action: Tensor
    reward: Tensor
    importance: Tensor


def model_loss(lane: Lane, drawn: Batch, noise: Noise) -> Loss:
    """One number per sub-sequence."""
    config, (obs, action, reward, importance) = lane.config, drawn
    horizon, batch, action_dim = action.shape
    with torch.no_grad():
        online = [lane.encode(obs[t + 1]) for t in range(horizon)]
        goals = [lane.mlp("target_encoder", obs[t + 1].double()) for t in range(horizon)]
        eps = lane.draw_action(noise, horizon * batch, action_dim)
        pair = noise.pair(config.num_q)[0].tolist()
        targets = []
        for t in range(horizon):
            sample = lane.policy(online[t], eps[t * batch : (t + 1) * batch])
            one, other = (lane.q("target_q", h, online[t], sample.action)[:, 0] for h in pair)
            targets.append(reward[t].double() + config.discount * torch.minimum(one, other))
    z = [lane.encode(obs[0])]
    for t in range(horizon):
        z.append(lane.next(z[t], action[t]))
    zero = torch.zeros(batch, dtype=torch.float64)
    terms = {"consistency_loss": zero, "reward_loss": zero, "value_loss": zero}
    surprise = zero
    for t in range(horizon):
        weight = config.rho**t
        terms["consistency_loss"] = terms["consistency_loss"] + weight * (
            (z[t + 1] - goals[t]) ** 2
        ).mean(-1)
        error = lane.reward(z[t], action[t]) - reward[t].double()
        terms["reward_loss"] = terms["reward_loss"] + weight * error**2
        for head in range(config.num_q):
            error = lane.q("q", head, z[t], action[t])[:, 0] - targets[t]
            terms["value_loss"] = terms["value_loss"] + weight * error**2
            surprise = surprise + weight * error.abs().detach()
    terms = {name: torch.clamp(term, max=config.loss_clamp) for name, term in terms.items()}
    rows = (
        config.consistency_coef * terms["consistency_loss"]
        + config.reward_coef * terms["reward_loss"]
        + config.value_coef * terms["value_loss"]
    )
    total = (importance * rows).mean() / horizon
    parts = {name: term.mean() for name, term in terms.items()}
    return Loss(total, parts, z, torch.clamp(surprise, max=config.loss_clamp))


def policy_loss(lane: Lane, z: list[Tensor], noise: Noise) -> Tensor:
    """Minus the smaller of two values, weighted by rho^t and summed over time."""
    config = lane.config
    batch, action_dim = len(z[0]), TASK.action_dim
    eps = lane.draw_action(noise, len(z) * batch, action_dim)
    pair = noise.pair(config.num_q)[0].tolist()
    loss = torch.zeros((), dtype=torch.float64)
    for t, latent in enumerate(z):
        fixed = latent.detach()
        sample = lane.policy(fixed, eps[t * batch : (t + 1) * batch])
        one, other = (lane.q("q", head, fixed, sample.action)[:, 0] for head in pair)
        loss = loss - config.rho**t * torch.minimum(one, other).mean()
    return loss


class Learner:
    """A lane with its optimisers: whole updates."""

    def __init__(self, lane: Lane) -> None:
        """Fresh optimisers."""
        self.lane, self.updates = lane, 0
        self._model = lane.of("encoder", "dynamics", "reward", "q")
        self._policy = lane.of("policy")
        self._optimizers = [
            torch.optim.Adam(part, lr=lane.config.lr, foreach=False)
            for part in (self._model, self._policy)
        ]

    def update(self, drawn: Batch, noise: Noise) -> tuple[dict[str, float], Tensor]:
        """One update; its scalars, and the new priorities."""
        lane = self.lane
        loss = model_loss(lane, drawn, noise)
        norm = self._step(0, loss.total, self._model)
        of_policy = policy_loss(lane, loss.z, noise)
        policy_norm = self._step(1, of_policy, self._policy)
        self.updates += 1
        if self.updates % 2 == 0:
            with torch.no_grad():
                for kind in ("encoder", "q"):
                    for target, online in zip(
                        lane.of(f"target_{kind}"), lane.of(kind), strict=True
                    ):
                        target.add_(lane.config.tau * (online - target))
        scalars = {
            "loss": loss.total.item(),
            **{name: value.item() for name, value in loss.parts.items()},
            "grad_norm": norm,
            "policy_loss": of_policy.item(),
            "policy_grad_norm": policy_norm,
        }
        return scalars, loss.priorities

    def _step(self, number: int, loss: Tensor, parameters: list[Tensor]) -> float:
        grads = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
        factor = min(1.0, self.lane.config.grad_clip_norm / (norm + 1e-6))
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad * factor
        self._optimizers[number].step()
        return norm
