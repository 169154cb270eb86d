"""MPPI in latent space, warm-started from the previous plan and helped by the policy prior.

Source: TD-MPC2, section 3.2 and its table of hyperparameters; where the printed algorithm and the
authors' code differ (the executed action is a sampled elite, not the mean; the standard deviation
is never warm-started), the code is followed.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from tdmpc2_bench.baselines.kernels import PRODUCTS, Kernel, Packed, Product
from tdmpc2_bench.baselines.nets import MLP, multiplying
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig
from tdmpc2_bench.baselines.tdmpc2.world_model import WorldModel

_EPS = 1e-9  # keeps the normalisation of the elite weights finite


class Plan(NamedTuple):
    """What one decision found."""

    action: Tensor  # (lanes, envs, action_dim) in [-1, 1]
    mean: Tensor  # (lanes, envs, horizon, action_dim), warm start of the next decision
    std: Tensor  # (lanes, envs, horizon, action_dim)
    num_nan: Tensor  # (lanes, envs) how many candidate values were not numbers and counted as 0


class Search(NamedTuple):
    """How a plan is searched for, where that changes while training or with the method's version.

    The defaults are TD-MPC2's.
    """

    horizon: int  # agent steps that are looked ahead
    min_std: float  # least standard deviation of the candidates, and so of exploration
    momentum: float = 0.0  # share of its previous value that the mean keeps in an iteration
    judge: Literal["mean", "min"] = "mean"  # of the last value, by two Q-heads
    clamp: bool = True  # keep the chosen action in [-1, 1]; an environment does so in any case


class Path(NamedTuple):
    """Where candidate sequences have come to in the model."""

    z: Tensor  # (lanes, rows, latent_dim)
    steps: int  # followed so far
    rewards: Tensor  # (lanes, rows), discounted sum so far
    alive: Tensor  # (lanes, rows), 0 once the model has foreseen the episode's end


class Rollout(NamedTuple):
    """Candidate sequences followed through the model, before their last value is added."""

    actions: Tensor  # (lanes, envs, candidates, horizon, action_dim)
    z: Tensor  # (lanes, envs, candidates, latent_dim) at the end of the horizon
    rewards: Tensor  # (lanes, envs, candidates), discounted sum over the horizon
    alive: Tensor  # (lanes, envs, candidates), what the last value counts


class Planner:
    """Plans for any number of environments per lane at once; holds no state of its own."""

    def __init__(
        self,
        model: WorldModel,
        config: ResolvedConfig,
        kernel: Kernel = "torch",
        search: Search | None = None,
    ) -> None:
        """Plan with ``model`` under ``config``, its weights multiplied by ``kernel``."""
        self._model = model
        self._config = config
        self._search = search or Search(config.horizon, config.min_std)
        self._products = _products(model, config, kernel)

    def __call__(
        self, obs: Tensor, mean: Tensor, first: Tensor, noise: Noise, *, explore: bool
    ) -> Plan:
        """Choose one action per environment.

        Args:
            obs: shape (lanes, envs, obs_dim).
            mean: previous plan's mean, (lanes, envs, its horizon, action_dim).
            first: shape (lanes, envs), True where an episode begins: no warm start there.
            noise: one generator per lane.
            explore: add noise of the final standard deviation to the chosen action.
        """
        with torch.no_grad(), multiplying(self._products):
            return self._plan(obs, mean, first, noise, explore=explore)

    def forget(self) -> None:
        """Weights have changed: what was made of them for planning is out of date."""
        for product in self._products.values():
            if isinstance(product, Packed):
                product.forget()

    def _plan(
        self, obs: Tensor, mean: Tensor, first: Tensor, noise: Noise, *, explore: bool
    ) -> Plan:
        config, search = self._config, self._search
        z = self._model.encode(obs)
        proposals = self._follow_policy(z, noise)
        mean = _later(mean, search.horizon)
        mean = mean.masked_fill(first[..., None, None], 0.0)
        std = torch.full_like(mean, config.max_std)
        num_nan = torch.zeros(obs.shape[:2], device=obs.device)
        for _ in range(config.iterations):
            candidates = self._candidates(z, mean, std, noise, proposals)
            values = self._values(candidates, noise)
            num_nan += values.isnan().sum(-1)
            values = values.nan_to_num(0.0)
            elites, weights = self._elites(candidates.actions, values)
            share = (weights / (weights.sum(-1, keepdim=True) + _EPS))[..., None, None]
            found = (share * elites).sum(2)
            std = (share * (elites - found.unsqueeze(2)).square()).sum(2).sqrt()
            std = std.clamp(search.min_std, config.max_std)
            mean = torch.lerp(found, mean, search.momentum) if search.momentum else found
        action = _draw(elites[:, :, :, 0], weights, noise)
        if explore:
            action = action + std[:, :, 0] * noise.normal(*action.shape[1:])
        if search.clamp:
            action = action.clamp(-1, 1)
        return Plan(action, mean, std, num_nan)

    def _follow_policy(self, z: Tensor, noise: Noise) -> Rollout:
        """Sequences of the policy prior; the same in all iterations, so followed only once."""
        split = (z.shape[1], self._config.num_pi_trajs)  # envs, candidates of each
        path = _beginning(z.repeat_interleave(self._config.num_pi_trajs, dim=1))
        actions = []
        for _ in range(self._search.horizon):
            actions.append(self._model.act(path.z, noise).action)
            path = self._follow(path, actions[-1])
        return _rollout(torch.stack(actions, dim=2), path, split)

    def _candidates(
        self, z: Tensor, mean: Tensor, std: Tensor, noise: Noise, proposals: Rollout
    ) -> Rollout:
        """The policy's sequences and fresh ones around ``mean``, followed through the model."""
        count = self._config.num_samples - self._config.num_pi_trajs
        if count == 0:
            return proposals
        _, envs, horizon, action_dim = mean.shape
        eps = noise.normal(envs, count, horizon, action_dim)
        actions = (mean.unsqueeze(2) + std.unsqueeze(2) * eps).clamp_(-1, 1)
        steps = actions.flatten(1, 2)  # (lanes, envs * count, horizon, action_dim)
        path = _beginning(z)  # at first all samples of an environment share one row of z
        for t in range(horizon):
            path = self._follow(path, steps[:, :, t])
        samples = _rollout(steps, path, (envs, count))
        return Rollout(*(torch.cat(pair, dim=2) for pair in zip(proposals, samples, strict=True)))

    def _follow(self, path: Path, action: Tensor) -> Path:
        """Take one agent step in the model.

        The reward of the step that ends the episode still counts, later ones do not.
        """
        reward = self._model.rewards(path.z, action)
        rewards = path.rewards + self._config.discount**path.steps * path.alive * reward
        z = self._model.next(path.z, action)
        alive = path.alive
        if self._config.episodic:
            alive = alive * (self._model.end_logits(z) <= 0)  # a probability of at most 0.5
        return Path(z, path.steps + 1, rewards, alive)

    def _values(self, candidates: Rollout, noise: Noise) -> Tensor:
        """Rewards plus the discounted value at the end, shape (lanes, envs, candidates).

        The value is the mean (or minimum) of two random online heads at a sampled action; the pair
        of a lane is drawn afresh for every iteration and shared by all its candidates.
        """
        z = candidates.z.flatten(1, 2)
        action = self._model.act(z, noise).action
        heads = self._model.q.heads(noise.pair(self._model.num_q))
        values = self._model.values(heads, z, action)
        last = values.mean(1) if self._search.judge == "mean" else values.amin(1)
        last = last.view_as(candidates.rewards)
        discount = self._config.discount**self._search.horizon
        return candidates.rewards + discount * candidates.alive * last

    def _elites(self, actions: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Best sequences (lanes, envs, elites, horizon, action_dim) and weights (.., elites)."""
        best, index = values.topk(self._config.num_elites, dim=2)
        elites = actions.gather(2, index[..., None, None].expand(-1, -1, -1, *actions.shape[3:]))
        weights = (self._config.temperature * (best - best.amax(2, keepdim=True))).exp()
        return elites, weights / weights.sum(2, keepdim=True)


def _products(model: WorldModel, config: ResolvedConfig, kernel: Kernel) -> dict[MLP, Product]:
    """How networks multiply while planning, where that differs from learning.

    In float32 a Q-head is used too few times, before it changes, for laying out its weights to pay.
    """
    repeated = [model.dynamics, model.reward, model.policy]
    if config.episodic:
        repeated.append(model.termination)
    if config.plan_dtype == "bfloat16":
        product: Product = Packed(torch.bfloat16)
        return dict.fromkeys([*repeated, model.q], product)
    return dict.fromkeys(repeated, PRODUCTS[kernel]())


def _later(mean: Tensor, horizon: int) -> Tensor:
    """The previous mean (lanes, envs, its horizon, action_dim) one step later, zeros behind it."""
    known = mean[:, :, 1 : horizon + 1]
    lanes, envs, steps, action_dim = known.shape
    return torch.cat([known, mean.new_zeros(lanes, envs, horizon - steps, action_dim)], dim=2)


def _beginning(z: Tensor) -> Path:
    return Path(z, 0, torch.zeros((), device=z.device), torch.ones((), device=z.device))


def _rollout(actions: Tensor, path: Path, split: tuple[int, int]) -> Rollout:
    """What was followed to the end, its rows split into (envs, candidates)."""
    alive = path.alive.expand_as(path.rewards)
    return Rollout(*(x.unflatten(1, split) for x in (actions, path.z, path.rewards, alive)))


def _draw(actions: Tensor, weights: Tensor, noise: Noise) -> Tensor:
    """Pick one of ``actions`` (lanes, envs, elites, action_dim) with probability ``weights``.

    The largest of log weight plus Gumbel noise is distributed like a categorical draw.
    """
    gumbel = -(-noise.uniform(*weights.shape[1:]).log()).log()
    index = (weights.log() + gumbel).argmax(-1)
    return actions.gather(2, index[..., None, None].expand(-1, -1, 1, actions.shape[-1])).squeeze(2)
