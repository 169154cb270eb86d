"""TD-MPC2's two losses, as functions of a batch: the world model's and the policy's.

Tensors have the lane axis first and time second: (lanes, time, batch, ...). Losses are returned
per lane; the lanes share no weights, so the gradient of their sum is every lane's own gradient.
Source: TD-MPC2, equations 3 to 5 and appendix; rho is the paper's lambda.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tdmpc2_bench.baselines.nets import MLP
from tdmpc2_bench.baselines.noise import Dropout, Noise
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample, WorldModel


class Batch(NamedTuple):
    """Sub-sequences from the replay; H is the horizon."""

    obs: Tensor  # (lanes, H + 1, batch, obs_dim), o_0 .. o_H
    action: Tensor  # (lanes, H, batch, action_dim), a_0 .. a_{H-1}
    reward: Tensor  # (lanes, H, batch), r_t of a_t
    terminated: Tensor | None  # (lanes, H, batch), 1 where a_t ended the episode; episodic mode


class ModelLoss(NamedTuple):
    """The world model's loss, what is worth a log of it, and the latents it visited."""

    total: Tensor  # (lanes,)
    parts: dict[str, Tensor]  # each (lanes,)
    z: Tensor  # (lanes, H + 1, batch, latent_dim), the rollout z_0 .. z_H


def rho_weights(rho: float, steps: int, device: torch.device) -> Tensor:
    """rho^t / steps for t = 0 .. steps - 1, shape (steps,): weighted mean over time."""
    return rho ** torch.arange(steps, dtype=torch.float32, device=device) / steps


@torch.no_grad()
def td_targets(
    model: WorldModel, config: ResolvedConfig, batch: Batch, next_z: Tensor, noise: Noise
) -> Tensor:
    """One-step targets y_t = r_t + gamma min_2 Q_target(z_{t+1}, a ~ pi), shape (lanes, H, batch).

    The smaller of two random target heads; one pair per lane for the whole batch. The target
    heads never apply dropout. Nothing follows a step that ended its episode.

    Args:
        model: networks.
        config: resolved settings.
        batch: rewards and ends.
        next_z: encoded real observations o_1 .. o_H, (lanes, H, batch, latent_dim).
        noise: one generator per lane.
    """
    z = next_z.flatten(1, 2)
    action = model.act(z, noise).action
    heads = model.target_q.heads(noise.pair(model.num_q))
    value = model.values(heads, z, action).amin(1).view_as(batch.reward)
    if batch.terminated is not None:
        value = (1 - batch.terminated) * value
    return batch.reward + config.discount * value


def model_loss(model: WorldModel, config: ResolvedConfig, batch: Batch, noise: Noise) -> ModelLoss:
    """Consistency, reward and value loss of the latent rollout.

    Gradients flow through the whole rollout into the encoder at o_0 alone: the latents of the
    real later observations are constants.
    """
    _, horizon, batch_size, _ = batch.action.shape
    weights = rho_weights(config.rho, horizon, batch.obs.device)
    with torch.no_grad():
        next_z = encode_later(model.encoder, batch)
        target = td_targets(model, config, batch, next_z, noise)
    z = rollout(model, batch)

    consistency = (z[:, 1:] - next_z).square().mean((-1, -2)) @ weights

    z_t, a_t = z[:, :-1].flatten(1, 2), batch.action.flatten(1, 2)  # (lanes, H * batch, ..)
    regression = model.regression
    reward = regression.loss(model.reward(z_t, a_t), batch.reward.flatten(1, 2))
    reward = reward.unflatten(1, (horizon, batch_size)).mean(-1) @ weights

    drop = dropout(config, noise, model.num_q, z_t.shape[1])
    logits = model.q(z_t.unsqueeze(1), a_t.unsqueeze(1), dropout=drop)
    value = regression.loss(logits, target.flatten(1, 2).unsqueeze(1).expand(logits.shape[:-1]))
    value = value.unflatten(2, (horizon, batch_size)).mean((1, 3)) @ weights

    total = (
        config.consistency_coef * consistency
        + config.reward_coef * reward
        + config.value_coef * value
    )
    parts = {"consistency_loss": consistency, "reward_loss": reward, "value_loss": value}
    if batch.terminated is not None:
        logits = model.end_logits(z[:, 1:].flatten(1, 2)).view_as(batch.terminated)
        parts |= termination_parts(logits, batch.terminated)
        total = total + config.termination_coef * parts["termination_loss"]
    return ModelLoss(total, parts, z.detach())


def encode_later(encoder: MLP, batch: Batch) -> Tensor:
    """Latents of the observations o_1 .. o_H, shape (lanes, H, batch, latent_dim)."""
    later = batch.obs[:, 1:]
    return encoder(later.flatten(1, 2)).unflatten(1, later.shape[1:3])


def rollout(model: WorldModel, batch: Batch) -> Tensor:
    """Latents z_0 .. z_H that the model foresees, shape (lanes, H + 1, batch, latent_dim)."""
    latents = [model.encode(batch.obs[:, 0])]
    for action in batch.action.unbind(1):
        latents.append(model.next(latents[-1], action))
    return torch.stack(latents, dim=1)


def termination_parts(logits: Tensor, terminated: Tensor) -> dict[str, Tensor]:
    """Loss of predicted ends, and how well they are found; each (lanes,).

    The loss is a plain mean of the binary cross-entropy. Recall and F1 count the last step alone,
    the only one of a slice that can end an episode; they are 1 where there was nothing to find.

    Args:
        logits: of z_1 .. z_H, shape (lanes, H, batch).
        terminated: 1 where the step to that latent ended its episode, same shape.
    """
    loss = functional.binary_cross_entropy_with_logits(logits, terminated, reduction="none")
    found, true = logits[:, -1].detach() > 0, terminated[:, -1] > 0
    hits = (found & true).sum(-1).float()
    ends, claims = true.sum(-1), found.sum(-1)
    return {
        "termination_loss": loss.mean((1, 2)),
        "termination_recall": torch.where(ends > 0, hits / ends.clamp(min=1), 1.0),
        "termination_f1": torch.where(
            ends + claims > 0, 2 * hits / (ends + claims).clamp(min=1), 1.0
        ),
    }


def policy_values(
    model: WorldModel, config: ResolvedConfig, z: Tensor, action: Tensor, noise: Noise
) -> Tensor:
    """Mean of two random online heads, which get no gradient; dropout is active, (lanes, rows)."""
    return pair_values(model, config, z, action, noise).mean(1)


def pair_values(
    model: WorldModel, config: ResolvedConfig, z: Tensor, action: Tensor, noise: Noise
) -> Tensor:
    """Two random online heads with dropout, which get no gradient, shape (lanes, 2, rows)."""
    heads = model.q.heads(noise.pair(model.num_q))
    drops = [dropout(config, noise, z.shape[1]) for _ in heads]
    return model.values(heads, z, action, drops)


def policy_loss(config: ResolvedConfig, sample: PolicySample, q: Tensor, scale: Tensor) -> Tensor:
    """Maximum-entropy policy loss per lane, shape (lanes,).

    Args:
        config: resolved settings.
        sample: the policy at z_0 .. z_H, rows time-major: (lanes, (H + 1) * batch, ..).
        q: values of the sampled actions, (lanes, (H + 1) * batch).
        scale: running scale of the values, shape (lanes,).
    """
    steps = config.horizon + 1
    objective = q / scale.unsqueeze(-1)
    if config.actor == "maxent":
        objective = objective + config.entropy_coef * scaled_entropy(config, sample)
    weights = rho_weights(config.rho, steps, q.device)
    return -objective.unflatten(1, (steps, -1)).mean(-1) @ weights


def scaled_entropy(config: ResolvedConfig, sample: PolicySample) -> Tensor:
    """Entropy estimate of the sampled actions times the action dimension, (lanes, rows).

    "squashed" is the release's term (2023): the Gaussian density is multiplied by the action
    dimension, the tanh correction is not, and the constant is counted once. "gaussian" is what
    the authors' later code amounts to: the pre-tanh Gaussian entropy without tanh correction.
    """
    action_dim = sample.action.shape[-1]
    log_density = (-0.5 * sample.eps.square() - sample.log_std).sum(-1)
    constant = 0.5 * math.log(2 * math.pi)
    if config.entropy == "gaussian":
        return -action_dim * (log_density - action_dim * constant)
    correction = torch.log(torch.relu(1 - sample.action.square()) + 1e-6).sum(-1)
    return -(action_dim * (log_density - constant) - correction)


def dropout(config: ResolvedConfig, noise: Noise, *rows: int) -> Dropout | None:
    """Dropout for the first hidden layer of Q heads, (rows,) of one or (heads, rows) of several."""
    return noise.dropout(config.dropout, *rows, config.mlp_dim) if config.dropout > 0 else None
