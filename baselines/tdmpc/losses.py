"""TD-MPC's losses: sums over time, one number per sub-sequence, and the priorities they give.

Tensors are those of `baselines.tdmpc2.losses`. Source: TD-MPC (arXiv 2203.04955), equations 8 to
11 and appendix; rho is the paper's lambda.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc.config import ResolvedTDMPCConfig
from tdmpc2_bench.baselines.tdmpc.world_model import TDMPCModel
from tdmpc2_bench.baselines.tdmpc2.losses import (
    Batch,
    ModelLoss,
    dropout,
    encode_later,
    rollout,
    scaled_entropy,
    td_targets,
    termination_parts,
)
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample


def over_time(steps: Tensor, rho: float) -> Tensor:
    """Sum of rho^t x_t over the time axis of ``steps`` (lanes, time, batch), shape (lanes, batch).

    A mean over time in TD-MPC2.
    """
    weights = rho ** torch.arange(steps.shape[1], dtype=steps.dtype, device=steps.device)
    return (weights[:, None] * steps).sum(1)


def model_loss(
    model: TDMPCModel,
    config: ResolvedTDMPCConfig,
    batch: Batch,
    importance: Tensor,
    noise: Noise,
) -> tuple[ModelLoss, Tensor]:
    """Consistency, reward and value loss of the latent rollout, and what was surprising.

    The targets' latents are the online encoder's, those of consistency the target encoder's. The
    loss is divided by the horizon, as the method divides its gradient.

    Args:
        model: networks.
        config: resolved settings.
        batch: sub-sequences.
        importance: weights of the sub-sequences, (lanes, batch).
        noise: one generator per lane.

    Returns:
        The loss, its parts as they were weighed and summed; and the rho-weighted sum of the TD
        errors' sizes, over time and heads, (lanes, batch).
    """
    with torch.no_grad():
        next_z = encode_later(model.encoder, batch)
        target = td_targets(model, config, batch, next_z, noise)
        goal = encode_later(model.target_encoder, batch) if config.target_encoder else next_z
    z = rollout(model, batch)
    shape = batch.reward.shape[1:]  # (H, batch)
    z_t, a_t = z[:, :-1].flatten(1, 2), batch.action.flatten(1, 2)
    predicted = model.reward(z_t, a_t)
    drop = dropout(config, noise, model.num_q, z_t.shape[1])
    q = model.q(z_t.unsqueeze(1), a_t.unsqueeze(1), dropout=drop)  # (lanes, heads, H * batch, ..)
    y = target.flatten(1, 2).unsqueeze(1).expand(q.shape[:-1])
    regression = model.regression
    reward = regression.loss(predicted, batch.reward.flatten(1, 2))
    errors = (regression.decode(q.detach()) - y).abs().sum(1)
    per_step = {
        "consistency": (z[:, 1:] - goal).square().mean(-1),
        "reward": reward.unflatten(1, shape),
        "value": regression.loss(q, y).sum(1).unflatten(1, shape),
    }
    terms = {
        name: over_time(steps, config.rho).clamp(max=config.loss_clamp)
        for name, steps in per_step.items()
    }
    total = (importance * _weighed(config, terms)).mean(-1)
    parts = {f"{name}_loss": term.mean(-1) for name, term in terms.items()}
    if batch.terminated is not None:
        logits = model.end_logits(z[:, 1:].flatten(1, 2)).view_as(batch.terminated)
        parts |= termination_parts(logits, batch.terminated)
        total = total + config.termination_coef * parts["termination_loss"]
    surprise = over_time(errors.unflatten(1, shape), config.rho).clamp(max=config.loss_clamp)
    return ModelLoss(total / config.horizon, parts, z.detach()), surprise


def _weighed(config: ResolvedTDMPCConfig, terms: dict[str, Tensor]) -> Tensor:
    return (
        config.consistency_coef * terms["consistency"]
        + config.reward_coef * terms["reward"]
        + config.value_coef * terms["value"]
    )


def policy_loss(config: ResolvedTDMPCConfig, sample: PolicySample, q: Tensor) -> Tensor:
    """Sum over time of -rho^t Q, neither scaled nor averaged over time, shape (lanes,).

    Args:
        config: resolved settings.
        sample: the policy at z_0 .. z_H, rows time-major: (lanes, (H + 1) * batch, ..).
        q: values of the sampled actions, (lanes, (H + 1) * batch).
    """
    objective = q
    if config.actor == "maxent":
        objective = objective + config.entropy_coef * scaled_entropy(config, sample)
    return -over_time(objective.unflatten(1, (config.horizon + 1, -1)), config.rho).mean(-1)
