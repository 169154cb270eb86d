"""TD-MPC2 of one lane, plainly and slowly: the reference of these tests.

Written from the method's description with ordinary torch operations on the lane's own weights, in
double precision, and Python loops over time, heads, groups and bins. Of the code under test it
takes the weights, the settings and the order of the random draws, no function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig, TDMPC2Config
from tdmpc2_bench.task import Task

TASK = Task(
    name="plain-task",
    suite="toy",
    env_id="plain/task",
    obs_dim=5,
    action_dim=2,
    episode_steps=14,
    action_repeat=2,
    budget=1000,
    eval_every=100,
    metric="return",
    score_max=1.0,
    source="defined here",
)

_TINY: dict[str, Any] = {
    "enc_dim": 12, "mlp_dim": 16, "latent_dim": 16, "enc_layers": 2, "num_q": 4, "batch_size": 8,
    "iterations": 3, "num_samples": 11, "num_elites": 4, "num_pi_trajs": 3, "dropout": 0.2,
    "seed_steps": 21, "capacity": 200,
}  # fmt: skip


def tiny(**overrides: Any) -> TDMPC2Config:  # a config's values are of many types
    """Settings small enough for loops; dropout high enough to matter."""
    return TDMPC2Config(**{**_TINY, **overrides})


def resolved(**overrides: Any) -> ResolvedConfig:
    """The tiny settings for `TASK`."""
    return tiny(**overrides).resolved(TASK)


def generator(seed: int) -> torch.Generator:
    """A CPU generator."""
    return torch.Generator().manual_seed(seed)


def noise(*seeds: int) -> Noise:
    """The noise of one lane per seed."""
    return Noise([generator(seed) for seed in seeds])


@torch.no_grad()
def shake(model: nn.Module, *seeds: int, size: float = 0.3) -> None:
    """Move every parameter away from its start, one seed per lane; no logits are 0 afterwards."""
    for i, seed in enumerate(seeds):
        rng = generator(seed)
        for parameter in model.parameters():
            parameter[i] += size * torch.randn(parameter[i].shape, generator=rng)


def two_hot(y: float, config: ResolvedConfig) -> Tensor:
    """The dense target vector of the scalar ``y``."""
    u = math.copysign(math.log1p(abs(y)), y)
    u = min(max(u, -config.bin_limit), config.bin_limit)
    position = (u + config.bin_limit) / (2 * config.bin_limit / 100)
    k = math.floor(position)
    target = torch.zeros(101, dtype=torch.float64)
    target[k] += 1 - (position - k)
    target[(k + 1) % 101] += position - k
    return target


def percentile(values: Sequence[float], p: float) -> float:
    """The percentile with linear interpolation, position p (n - 1) / 100 of the sorted values."""
    ordered = sorted(values)
    position = p * (len(ordered) - 1) / 100
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


class Sample(NamedTuple):
    """An action of the policy and what it was made of."""

    action: Tensor
    mean: Tensor
    log_std: Tensor
    eps: Tensor


class ModelLoss(NamedTuple):
    """The parts of the model loss, the latents z_0 .. z_H, the targets y_0 .. y_{H-1}."""

    total: Tensor
    consistency: Tensor
    reward: Tensor
    value: Tensor
    termination: dict[str, Tensor]  # empty but in episodic mode
    z: list[Tensor]
    targets: list[Tensor]


class Lane:
    """The networks of one lane; data are (rows, width)."""

    def __init__(
        self, weights: Mapping[str, Tensor], config: ResolvedConfig, lane: int = 0
    ) -> None:
        """Copy one lane out of a model's ``state_dict``."""
        self.config = config
        self.weights = {
            name: value[lane].detach().double().clone().requires_grad_("target" not in name)
            for name, value in weights.items()
        }

    def of(self, *networks: str) -> list[Tensor]:
        """The parameters of some networks."""
        return [w for name, w in self.weights.items() if name.split(".")[0] in networks]

    # Networks

    def mlp(
        self,
        name: str,
        x: Tensor,
        *,
        head: int | None = None,
        latent: bool = False,
        keep: Tensor | None = None,
    ) -> Tensor:
        """Linear, [dropout,] LayerNorm, Mish; the last layer linear, or LayerNorm and SimNorm."""
        depth = sum(key.startswith(f"{name}.weight") for key in self.weights)
        for i in range(depth):
            layer = {
                key: value if head is None else value[head]
                for key in ("weight", "bias", "scale", "shift")
                if (value := self.weights.get(f"{name}.{key}_{i}")) is not None
            }
            x = x @ layer["weight"] + layer["bias"]
            last = i == depth - 1
            if i == 0 and keep is not None:
                x = x * keep
            if self.config.norm == "ln" and (latent or not last):
                centred = x - x.mean(-1, keepdim=True)
                deviation = ((centred**2).mean(-1, keepdim=True) + 1e-5).sqrt()
                x = centred / deviation * layer["scale"] + layer["shift"]
            if not last:
                x = x * torch.tanh(torch.log(1 + torch.exp(x)))
        if latent and self.config.latent_norm == "simnorm":
            size = self.config.simnorm_dim
            groups = [x[:, i : i + size] for i in range(0, x.shape[1], size)]
            x = torch.cat([g.exp() / g.exp().sum(-1, keepdim=True) for g in groups], dim=1)
        return x

    def encode(self, obs: Tensor) -> Tensor:
        """The latent of an observation."""
        return self.mlp("encoder", obs.double(), latent=True)

    def next(self, z: Tensor, action: Tensor) -> Tensor:
        """The latent one step later."""
        return self.mlp("dynamics", torch.cat([z, action.double()], -1), latent=True)

    def reward(self, z: Tensor, action: Tensor) -> Tensor:
        """The decoded reward."""
        return self.decode(self.mlp("reward", torch.cat([z, action.double()], -1)))

    def q(
        self,
        name: str,
        head: int,
        z: Tensor,
        action: Tensor,
        keep: Tensor | None = None,
    ) -> Tensor:
        """Logits of one head of "q" or "target_q"."""
        x = torch.cat([z, action.double()], -1)
        return self.mlp(name, x, head=head, keep=None if keep is None else keep.double())

    def policy(self, z: Tensor, eps: Tensor) -> Sample:
        """The policy's action for the normal draw ``eps``."""
        out = self.mlp("policy", z)
        half = out.shape[1] // 2
        mean, raw = out[:, :half], out[:, half:]
        log_std = -10 + 0.5 * 12 * (torch.tanh(raw) + 1)
        eps = eps.double()
        return Sample(torch.tanh(mean + eps * torch.exp(log_std)), torch.tanh(mean), log_std, eps)

    # Regression

    def decode(self, output: Tensor) -> Tensor:
        """The scalar of every row."""
        if self.config.num_bins == 0:
            return output[:, 0]
        u = output[:, 0]
        if self.config.num_bins == 101:
            limit = self.config.bin_limit
            bins = [-limit + 2 * limit * j / 100 for j in range(101)]
            u = (output.softmax(-1) * torch.tensor(bins, dtype=torch.float64)).sum(-1)
        return torch.sign(u) * (torch.exp(torch.abs(u)) - 1)

    def regress(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss over the rows."""
        if self.config.num_bins == 0:
            return ((output[:, 0] - target) ** 2).mean()
        if self.config.num_bins == 1:
            return ((output[:, 0] - torch.sign(target) * torch.log(1 + target.abs())) ** 2).mean()
        dense = torch.stack([two_hot(float(y), self.config) for y in target])
        return -(dense * output.log_softmax(-1)).sum(-1).mean()

    # Learning

    def draw_action(self, noise: Noise, rows: int, action_dim: int) -> Tensor:
        """The normal draw of a policy sample; a deterministic actor draws none."""
        if self.config.actor == "det":
            return torch.zeros(rows, action_dim)
        return noise.normal(rows, action_dim)[0]

    def draw_dropout(self, noise: Noise, heads: int, rows: int) -> list[Tensor | None]:
        """Dropout factors of all heads, drawn at once."""
        if self.config.dropout == 0:
            return [None] * heads
        shape = (heads, rows, self.config.mlp_dim)
        return list(noise.dropout(self.config.dropout, *shape)(torch.ones(1, *shape))[0])

    def model_loss(
        self,
        obs: Tensor,
        action: Tensor,
        reward: Tensor,
        noise: Noise,
        ends: Tensor | None = None,
    ) -> ModelLoss:
        """Section "one gradient update", steps 1 to 3; (time, batch, ..) data."""
        config = self.config
        horizon, batch, action_dim = action.shape
        with torch.no_grad():
            constants = [self.encode(obs[t + 1]) for t in range(horizon)]
            eps = self.draw_action(noise, horizon * batch, action_dim)
            pair = noise.pair(config.num_q)[0].tolist()
            targets = []
            for t in range(horizon):
                sample = self.policy(constants[t], eps[t * batch : (t + 1) * batch])
                first, second = (
                    self.decode(self.q("target_q", head, constants[t], sample.action))
                    for head in pair
                )
                goes_on = 1.0 if ends is None else 1.0 - ends[t].double()
                targets.append(reward[t] + config.discount * goes_on * torch.minimum(first, second))
        z = [self.encode(obs[0])]
        for t in range(horizon):
            z.append(self.next(z[t], action[t]))
        keep = self.draw_dropout(noise, config.num_q, horizon * batch)
        consistency = reward_loss = value = torch.zeros((), dtype=torch.float64)
        for t in range(horizon):
            weight = config.rho**t / horizon
            consistency = consistency + weight * ((z[t + 1] - constants[t]) ** 2).mean()
            logits = self.mlp("reward", torch.cat([z[t], action[t].double()], -1))
            reward_loss = reward_loss + weight * self.regress(logits, reward[t].double())
            for head in range(config.num_q):
                mask = keep[head]
                rows = None if mask is None else mask[t * batch : (t + 1) * batch]
                logits = self.q("q", head, z[t], action[t], rows)
                value = value + weight / config.num_q * self.regress(logits, targets[t])
        total = (
            config.consistency_coef * consistency
            + config.reward_coef * reward_loss
            + config.value_coef * value
        )
        termination = {} if ends is None else self.termination(z[1:], ends)
        if termination:
            total = total + config.termination_coef * termination["termination_loss"]
        return ModelLoss(total, consistency, reward_loss, value, termination, z, targets)

    def termination(self, z: list[Tensor], ends: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of predicted ends, and what is found of those at the last step."""
        probability = torch.stack([self.ends(row) for row in z])
        likely = torch.where(ends > 0, probability, 1 - probability)
        found, true = (probability[-1] > 0.5).tolist(), (ends[-1] > 0).tolist()
        hits = sum(f and t for f, t in zip(found, true, strict=True))
        recall = hits / sum(true) if any(true) else 1.0
        precision = hits / sum(found) if any(found) else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        if not any(true) and not any(found):
            f1 = 1.0
        return {
            "termination_loss": -likely.log().mean(),
            "termination_recall": torch.tensor(recall),
            "termination_f1": torch.tensor(f1),
        }

    def ends(self, z: Tensor) -> Tensor:
        """Probability that the episode has ended at z."""
        return 1 / (1 + torch.exp(-self.mlp("termination", z)[:, 0]))

    def entropy(self, sample: Sample) -> Tensor:
        """The scaled entropy of every row, the release's or the later code's."""
        action_dim = sample.action.shape[1]
        gauss = (-0.5 * sample.eps**2 - sample.log_std).sum(-1)
        if self.config.entropy == "gaussian":
            return -action_dim * (gauss - 0.9189385332 * action_dim)
        squash = torch.log(torch.clamp(1 - sample.action**2, min=0) + 1e-6).sum(-1)
        return -(action_dim * (gauss - 0.9189385332) - squash)

    def policy_loss(self, z: list[Tensor], scale: float, noise: Noise) -> tuple[Tensor, float]:
        """Step 4: the loss at z_0 .. z_H, and the running scale that it used."""
        config = self.config
        steps, batch = len(z), len(z[0])
        action_dim = self.weights["policy.bias_2"].shape[-1] // 2
        eps = self.draw_action(noise, steps * batch, action_dim)
        pair = noise.pair(config.num_q)[0].tolist()
        keep = [self.draw_dropout(noise, 1, steps * batch)[0] for _ in range(2)]
        loss = torch.zeros((), dtype=torch.float64)
        for t in range(steps):
            rows = slice(t * batch, (t + 1) * batch)
            sample = self.policy(z[t].detach(), eps[rows])
            heads = [
                self.decode(
                    self.q("q", head, z[t].detach(), sample.action, None if k is None else k[rows])
                )
                for head, k in zip(pair, keep, strict=True)
            ]
            q = (heads[0] + heads[1]) / 2
            if t == 0:
                spread = percentile(q.tolist(), 95) - percentile(q.tolist(), 5)
                scale += config.tau * (max(spread, 1.0) - scale)
            objective = q / scale
            if config.actor == "maxent":
                objective = objective + config.entropy_coef * self.entropy(sample)
            loss = loss - config.rho**t / steps * objective.mean()
        return loss, scale


class Learner:
    """A lane with its optimisers: whole updates."""

    def __init__(self, lane: Lane) -> None:
        """Fresh optimisers and scale."""
        self.lane = lane
        self.scale = 1.0
        groups: list[dict[str, Any]] = [
            {"params": lane.of("encoder"), "lr": 0.3 * 3e-4},
            {"params": lane.of("dynamics", "reward", "q", "termination")},
        ]
        self.model_optimizer = torch.optim.Adam(
            groups,
            lr=3e-4,
            eps=1e-8,
            foreach=False,
        )
        self.policy_optimizer = torch.optim.Adam(
            lane.of("policy"), lr=3e-4, eps=1e-5, foreach=False
        )

    def update(self, columns: Mapping[str, NDArray[np.float32]], noise: Noise) -> dict[str, float]:
        """One update from replay columns (H + 1, batch, ..); its scalars."""
        lane = self.lane
        obs, action, reward = (
            torch.from_numpy(columns[name]) for name in ("obs", "action", "reward")
        )
        # The row of o_{t+1} holds a_t, r_t and whether a_t ended the episode.
        ends = torch.from_numpy(columns["terminated"])[1:] if lane.config.episodic else None
        loss = lane.model_loss(obs, action[1:], reward[1:], noise, ends)
        trained = lane.of("encoder", "dynamics", "reward", "q", "termination")
        norm = self._step(self.model_optimizer, loss.total, trained)
        policy_loss, self.scale = lane.policy_loss(loss.z, self.scale, noise)
        policy_norm = self._step(self.policy_optimizer, policy_loss, lane.of("policy"))
        with torch.no_grad():
            for target, online in zip(lane.of("target_q"), lane.of("q"), strict=True):
                target.add_(lane.config.tau * (online - target))
        return {
            "loss": loss.total.item(),
            "consistency_loss": loss.consistency.item(),
            "reward_loss": loss.reward.item(),
            "value_loss": loss.value.item(),
            **{name: value.item() for name, value in loss.termination.items()},
            "grad_norm": norm,
            "policy_loss": policy_loss.item(),
            "policy_grad_norm": policy_norm,
            "scale": self.scale,
        }

    def _step(
        self, optimizer: torch.optim.Adam, loss: Tensor, parameters: Sequence[Tensor]
    ) -> float:
        grads = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
        factor = min(1.0, self.lane.config.grad_clip_norm / (norm + 1e-6))
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad * factor
        optimizer.step()
        return norm


class Plan(NamedTuple):
    """One environment's decision."""

    action: Tensor
    mean: Tensor
    std: Tensor
    elites: list[Tensor]  # first actions of the last iteration's elites
    num_nan: int


class PlanDraws(NamedTuple):
    """The random numbers of one decision, in the order in which they are drawn."""

    policy: list[Tensor]  # per time step, (envs, trajectories, action_dim)
    around_mean: list[Tensor]  # per iteration, (envs, samples, horizon, action_dim)
    terminal: list[Tensor]  # per iteration, (envs, candidates, action_dim)
    pair: list[list[int]]  # per iteration, two heads
    choice: Tensor  # (envs, elites), uniform
    explore: Tensor  # (envs, action_dim)

    @classmethod
    def of(cls, config: ResolvedConfig, envs: int, action_dim: int, noise: Noise) -> PlanDraws:
        """Draw them."""
        proposed, total = config.num_pi_trajs, config.num_samples

        def normal(*shape: int) -> Tensor:
            return noise.normal(*shape)[0].double()

        def of_policy(count: int) -> Tensor:
            if config.actor == "det":  # takes its mean, and draws nothing
                return torch.zeros(envs, count, action_dim, dtype=torch.float64)
            return normal(envs * count, action_dim).view(envs, count, action_dim)

        policy = [of_policy(proposed) for _ in range(config.horizon)]
        around_mean, terminal, pair = [], [], []
        for _ in range(config.iterations):
            around_mean.append(normal(envs, total - proposed, config.horizon, action_dim))
            terminal.append(of_policy(total))
            pair.append(noise.pair(config.num_q)[0].tolist())
        choice = noise.uniform(envs, config.num_elites)[0].double()
        return cls(policy, around_mean, terminal, pair, choice, normal(envs, action_dim))


@torch.no_grad()
def plan(
    lane: Lane,
    obs: Tensor,
    previous: Tensor,
    draws: PlanDraws,
    env: int,
    *,
    first: bool,
    explore: bool,
) -> Plan:
    """Section "planning", steps 1 to 5, for one environment, sample by sample.

    Args:
        lane: networks.
        obs: shape (obs_dim,).
        previous: mean of the previous plan, (horizon, action_dim).
        draws: random numbers of all environments.
        env: which of them this is.
        first: the observation begins an episode.
        explore: add noise to the chosen action.
    """
    config = lane.config
    horizon, action_dim = previous.shape
    z_0 = lane.encode(obs.unsqueeze(0))
    proposals = []
    for i in range(config.num_pi_trajs):
        z, actions = z_0, []
        for t in range(horizon):
            actions.append(lane.policy(z, draws.policy[t][env, i].unsqueeze(0)).action[0])
            z = lane.next(z, actions[t].unsqueeze(0))
        proposals.append(torch.stack(actions))

    mean = torch.zeros(horizon, action_dim, dtype=torch.float64)
    if not first:
        for t in range(horizon - 1):
            mean[t] = previous[t + 1]
    std = torch.full((horizon, action_dim), config.max_std, dtype=torch.float64)
    num_nan = 0
    for k in range(config.iterations):
        candidates = list(proposals)
        candidates += [torch.clip(mean + std * eps, -1, 1) for eps in draws.around_mean[k][env]]
        values = []
        for i, sequence in enumerate(candidates):
            value = _value(lane, z_0, sequence, draws.terminal[k][env, i], draws.pair[k])
            num_nan += math.isnan(value)
            values.append(0.0 if math.isnan(value) else value)
        order = sorted(range(len(values)), key=lambda i: -values[i])[: config.num_elites]
        raw = [math.exp(config.temperature * (values[i] - max(values))) for i in order]
        weights = [w / sum(raw) for w in raw]
        total = sum(weights) + 1e-9
        elites = [candidates[i] for i in order]
        mean = torch.stack([w * a for w, a in zip(weights, elites, strict=True)]).sum(0) / total
        spread = [w * (a - mean) ** 2 for w, a in zip(weights, elites, strict=True)]
        std = (torch.stack(spread).sum(0) / total).sqrt()
        std = torch.clip(std, config.min_std, config.max_std)
    scores = [
        math.log(w) - math.log(-math.log(u))
        for w, u in zip(weights, draws.choice[env].tolist(), strict=True)
    ]
    action = elites[scores.index(max(scores))][0]
    if explore:
        action = action + std[0] * draws.explore[env]
    return Plan(torch.clip(action, -1, 1), mean, std, [elite[0] for elite in elites], num_nan)


def _value(lane: Lane, z: Tensor, sequence: Tensor, eps: Tensor, pair: Sequence[int]) -> float:
    """Discounted rewards of a sequence, and the mean of two online heads at its end.

    In episodic mode all that comes after a step which probably ends the episode is left out.
    """
    config = lane.config
    value = 0.0
    for t, row in enumerate(sequence):
        action = row.unsqueeze(0)
        value += config.discount**t * float(lane.reward(z, action))
        z = lane.next(z, action)
        if config.episodic and float(lane.ends(z)) > 0.5:
            return value
    last = lane.policy(z, eps.unsqueeze(0)).action
    heads = [float(lane.decode(lane.q("q", head, z, last))) for head in pair]
    return value + config.discount ** len(sequence) * (heads[0] + heads[1]) / 2
