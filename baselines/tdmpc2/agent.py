"""TD-MPC2 as the harness sees it: when it acts how, what it owes, what it must remember."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tdmpc2_bench import seeding
from tdmpc2_bench.agent import BoolArray, FloatArray, State, Step
from tdmpc2_bench.baselines import kernels, tensors
from tdmpc2_bench.baselines.compiling import compile_where_it_pays
from tdmpc2_bench.baselines.kernels import Kernels
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.replay import Column, Replay
from tdmpc2_bench.baselines.tdmpc2 import losses
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig, TDMPC2Config
from tdmpc2_bench.baselines.tdmpc2.planner import Planner
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample, WorldModel
from tdmpc2_bench.errors import BenchError
from tdmpc2_bench.task import Task

# Adam's epsilon. Source: TD-MPC2's released code.
_MODEL_EPS = 1e-8
_POLICY_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class PlannerCarry:
    """Acting state: the previous plan's mean and the noise generators."""

    mean: Tensor  # (lanes, envs, horizon, action_dim)
    noise: Noise


class TDMPC2:
    """The agent; one lane per seed. Source: TD-MPC2 (arXiv 2310.16828), section 3.

    TD-MPC, the version before, overrides here what it does otherwise (`baselines.tdmpc.agent`).
    """

    _policy_eps = _POLICY_EPS

    def __init__(
        self, config: ResolvedConfig, task: Task, seeds: Sequence[int], device: torch.device
    ) -> None:
        """Initialise every lane from its own seed."""
        self._config = config
        self._task = task
        self._device = device
        self.lanes = len(seeds)
        self.modes = ("plan", "mean", "sample") if config.mpc else ("mean", "sample")
        # Weights are drawn on the CPU, so that a seed starts alike on every device.
        init = [
            torch.Generator().manual_seed(seeding.integer(seed, task.name, "init"))
            for seed in seeds
        ]
        self._model = self._new_model(init).to(device)
        self._use(self._fastest_kernels())
        self._optimizer = self._model_optimizer()
        self._policy_optimizer = torch.optim.Adam(
            self._model.policy.parameters(), lr=config.lr, eps=self._policy_eps, fused=True
        )
        self._scale = torch.ones(self.lanes, device=device)  # running scale S of the values
        self._noise = Noise.seeded(
            [seeding.stream(seed, task.name, "update") for seed in seeds], device
        )
        self._draws = [seeding.stream(seed, task.name, "replay") for seed in seeds]
        columns: dict[str, Column] = {
            "obs": ((task.obs_dim,), np.float32),
            "action": ((task.action_dim,), np.float32),
            "reward": ((), np.float32),
        }
        if config.episodic:
            columns["terminated"] = ((), np.bool_)
        self.replays = tuple(self._new_replay(columns) for _ in seeds)
        self._agent_steps = 0
        self._debt = 0  # updates owed
        # Candidate values of training plans that were not numbers and counted as 0: for the log
        # alone, so no part of the state.
        self._num_nan = np.zeros(self.lanes, np.float32)

    def _new_model(self, generators: Sequence[torch.Generator]) -> WorldModel:
        return WorldModel(self._config, self._task, generators)

    def _new_planner(self) -> Planner:
        return Planner(self._model, self._config, self.kernels.acting)

    def _new_replay(self, columns: Mapping[str, Column]) -> Replay:
        return Replay(self._config.capacity, self._task.episode_agent_steps, columns)

    def _fastest_kernels(self) -> Kernels:
        config, model = self._config, self._model
        latents = torch.zeros(self.lanes, config.num_samples, config.latent_dim)
        if compile_where_it_pays(model.networks, model.policy, latents.to(self._device)):
            return Kernels()  # its own
        if self._device.type != "cpu":
            return Kernels()
        return kernels.choose(
            width=config.mlp_dim,
            rows=config.num_samples,
            uses=config.iterations * config.horizon,
        )

    def _use(self, chosen: Kernels) -> None:
        """Multiply by these kernels from now on."""
        self.kernels = chosen
        product = kernels.PRODUCTS[chosen.learning]()
        for network in self._model.networks:
            network.product = product
        self._planner = self._new_planner()

    def _model_optimizer(self) -> torch.optim.Adam:
        model, config = self._model, self._config
        rest = [*model.dynamics.parameters(), *model.reward.parameters(), *model.q.parameters()]
        if config.episodic:
            rest += model.termination.parameters()
        groups: list[dict[str, Any]] = [
            {"params": list(model.encoder.parameters()), "lr": config.lr * config.enc_lr_scale},
            {"params": rest},
        ]
        return torch.optim.Adam(groups, lr=config.lr, eps=_MODEL_EPS, fused=True)

    # Acting

    def carry(self, envs: int, streams: Sequence[np.random.Generator]) -> PlannerCarry:
        """Fresh acting state: a zero plan and generators seeded from ``streams``."""
        shape = (self.lanes, envs, self._config.horizon, self._task.action_dim)
        return PlannerCarry(
            torch.zeros(shape, device=self._device), Noise.seeded(streams, self._device)
        )

    @torch.no_grad()
    def act(
        self, obs: FloatArray, carry: PlannerCarry, *, first: BoolArray, mode: str
    ) -> tuple[FloatArray, PlannerCarry, Mapping[str, NDArray[Any]]]:
        """Choose actions, shape (lanes, envs, action_dim).

        The first seed_steps + 1 training actions are uniform, as in the released code. Planning
        stores its mean for the next decision, in training and evaluation alike.
        """
        if mode == "train" and self._acts_at_random():
            uniform = carry.noise.uniform(obs.shape[1], self._task.action_dim)
            return (uniform * 2 - 1).cpu().numpy(), carry, {}
        x = self._tensor(obs)
        if mode == "plan" or (mode == "train" and self._config.mpc):
            plan = self._planner(
                x, carry.mean, self._tensor(first), carry.noise, explore=mode == "train"
            )
            extra = {"num_nan": plan.num_nan.cpu().numpy()} if mode == "train" else {}
            return plan.action.cpu().numpy(), PlannerCarry(plan.mean, carry.noise), extra
        sample = self._policy_sample(self._model.encode(x), carry.noise, mode)
        action = sample.mean if mode == "mean" else sample.action
        return action.cpu().numpy(), carry, {}

    def _acts_at_random(self) -> bool:
        return self._agent_steps <= self._config.seed_steps

    def _policy_sample(self, z: Tensor, noise: Noise, mode: str) -> PolicySample:
        """What the policy alone does at latents z in ``mode``: alike in all of TD-MPC2's."""
        del mode
        return self._model.act(z, noise)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    # Learning

    def observe(self, step: Step) -> None:
        """Store a training step and count what it makes due.

        Raises:
            BenchError: the task ended an episode before its time limit, in spite of settings.
        """
        episodic = self._config.episodic
        if step.terminated.any() and not episodic:
            msg = (
                f"{self._task.name!r} ended an episode for good, but TD-MPC2 runs here without "
                "termination; train with --set episodic=on"
            )
            raise BenchError(msg)
        for lane, replay in enumerate(self.replays):
            if step.active[lane]:
                replay.append(
                    first=bool(step.first[lane]),
                    last=bool(step.terminated[lane] or step.truncated[lane]),
                    obs=step.obs[lane],
                    action=step.action[lane],
                    reward=step.reward[lane],
                    **({"terminated": step.terminated[lane]} if episodic else {}),
                )
        if step.first.any():  # a reset, not a step
            return
        self._agent_steps += 1
        self._num_nan += step.extra.get("num_nan", 0.0)
        self._debt += self._owed_for(step)

    def _owed_for(self, step: Step) -> int:
        """Updates that an agent step makes due: as many as random ones after them, then one."""
        del step
        seed_steps = self._config.seed_steps
        if self._agent_steps == seed_steps + 1:
            return seed_steps
        return 1 if self._agent_steps > seed_steps else 0

    def updates_due(self) -> int:
        """Updates owed, once every lane has a completed episode to learn from."""
        ready = all(replay.can_sample(self._config.horizon + 1) for replay in self.replays)
        return self._debt if ready else 0

    def update(self) -> Mapping[str, FloatArray]:
        """Learn from one batch: world model, then policy, then target heads."""
        self._debt -= 1
        loss = self._model_loss()
        self._optimizer.zero_grad()
        loss.total.sum().backward()
        grad_norm = clip_grad_norm(
            [p for group in self._optimizer.param_groups for p in group["params"]],
            self._config.grad_clip_norm,
        )
        self._optimizer.step()
        policy = self._update_policy(loss.z)
        self._update_target()
        self._planner.forget()
        scalars = {
            "loss": loss.total,
            **loss.parts,
            "grad_norm": grad_norm,
            **policy,
        }
        stacked = torch.stack([value.detach() for value in scalars.values()]).cpu().numpy()
        return {**dict(zip(scalars, stacked, strict=True)), "planner_nans": self._num_nan.copy()}

    def _model_loss(self) -> losses.ModelLoss:
        """The world model's loss on a fresh batch."""
        return losses.model_loss(self._model, self._config, self.batch(), self._noise)

    def _update_target(self) -> None:
        self._model.update_target()

    def _update_policy(self, z: Tensor) -> dict[str, Tensor]:
        """One policy step at the rollout's latents (lanes, H + 1, batch, latent_dim)."""
        loss, scalars = self._policy_loss(z)
        self._policy_optimizer.zero_grad()
        loss.sum().backward()
        grad_norm = clip_grad_norm(
            list(self._model.policy.parameters()), self._config.grad_clip_norm
        )
        self._policy_optimizer.step()
        return {"policy_loss": loss, "policy_grad_norm": grad_norm, **scalars}

    def _policy_loss(self, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The policy's loss (lanes,) at those latents, and what else is worth a log."""
        config, batch_size = self._config, z.shape[2]
        z = z.flatten(1, 2)
        sample = self._model.act(z, self._noise)
        q = losses.policy_values(self._model, config, z, sample.action, self._noise)
        self._update_scale(q[:, :batch_size].detach())
        loss = losses.policy_loss(config, sample, q, self._scale)
        entropy = losses.scaled_entropy(config, sample).mean(-1)
        return loss, {"scale": self._scale, "entropy": entropy}

    def _update_scale(self, q: Tensor) -> None:
        """Move S towards the 5 to 95 percentile range of q (lanes, batch), at least 1."""
        low, high = torch.quantile(q, torch.tensor([0.05, 0.95], device=q.device), dim=-1)
        self._scale = torch.lerp(self._scale, (high - low).clamp(min=1.0), self._config.tau)

    def batch(self) -> losses.Batch:
        """Draw the sub-sequences of one update from every lane's replay."""
        config = self._config
        return self._as_batch(
            [
                replay.sample(rng, config.batch_size, config.horizon + 1)
                for replay, rng in zip(self.replays, self._draws, strict=True)
            ]
        )

    def _as_batch(self, slices: Sequence[Mapping[str, NDArray[Any]]]) -> losses.Batch:
        """Columns (H + 1, batch, ...) drawn from every lane's replay, side by side."""
        columns = {
            name: self._tensor(np.stack([found[name] for found in slices])) for name in slices[0]
        }
        # Row t + 1 holds the action, reward and end of step t, so the first row's are dropped.
        ends = columns["terminated"][:, 1:].float() if self._config.episodic else None
        return losses.Batch(
            columns["obs"], columns["action"][:, 1:], columns["reward"][:, 1:], ends
        )

    # Remembering

    def state(self) -> list[State]:
        """Networks, optimisers, scale, random generators and counters of every lane."""
        noise = self._noise.states()
        return [
            {
                "weights": _lane(self._model.state_dict(), lane),
                "optimizer": {
                    name: {
                        key: tensors.array(value[lane]) for key, value in self._moments(parameter)
                    }
                    for name, parameter in self._model.named_parameters()
                    if parameter.requires_grad
                },
                "updates": self._updates(),
                "scale": float(self._scale[lane]),
                "noise": noise[lane],
                "draws": self._draws[lane].bit_generator.state,
                "agent_steps": self._agent_steps,
                "debt": self._debt,
                "kernels": str(self.kernels),  # others would round differently
            }
            for lane in range(self.lanes)
        ]

    @torch.no_grad()
    def load_state(self, states: Sequence[State]) -> None:
        """Take over what `state` returned, lane by lane."""
        self._use(kernels.named(states[0]["kernels"]))
        self.load_weights([state["weights"] for state in states])
        updates = states[0]["updates"]
        self._optimizer.state.clear()
        self._policy_optimizer.state.clear()
        for name, parameter in self._model.named_parameters():
            if not parameter.requires_grad or updates == 0:
                continue
            optimizer = self._optimizer_of(name)
            optimizer.state[parameter] = {
                "step": torch.tensor(float(updates), device=self._device),
                **{
                    key: self._tensor(np.stack([s["optimizer"][name][key] for s in states]))
                    for key in ("exp_avg", "exp_avg_sq")
                },
            }
        self._scale = torch.tensor([s["scale"] for s in states], device=self._device)
        self._noise = Noise.restored([s["noise"] for s in states], self._device)
        for rng, state in zip(self._draws, states, strict=True):
            rng.bit_generator.state = state["draws"]
        self._agent_steps, self._debt = states[0]["agent_steps"], states[0]["debt"]

    def _optimizer_of(self, name: str) -> torch.optim.Adam:
        return self._policy_optimizer if name.startswith("policy.") else self._optimizer

    def _moments(self, parameter: Tensor) -> Iterator[tuple[str, Tensor]]:
        for optimizer in (self._optimizer, self._policy_optimizer):
            for key, value in optimizer.state.get(parameter, {}).items():
                if key != "step":
                    yield key, value

    def _updates(self) -> int:
        states = list(self._policy_optimizer.state.values())
        return int(states[0]["step"]) if states else 0

    def carry_state(self, carry: PlannerCarry) -> list[State]:
        """The plan and the generators, one per lane."""
        noise = carry.noise.states()
        return [
            {"mean": tensors.array(carry.mean[lane]), "noise": noise[lane]}
            for lane in range(self.lanes)
        ]

    def load_carry(self, states: Sequence[State]) -> PlannerCarry:
        """The acting state that `carry_state` described."""
        mean = self._tensor(np.stack([state["mean"] for state in states]))
        return PlannerCarry(mean, Noise.restored([s["noise"] for s in states], self._device))

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """All networks' weights, one set per lane."""
        return [_lane(self._model.state_dict(), lane) for lane in range(self.lanes)]

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Take over what `export` returned."""
        self._model.load_state_dict(
            {
                name: self._tensor(np.stack([lane[name] for lane in weights]))
                for name in self._model.state_dict()
            }
        )


def _lane(named: Mapping[str, Tensor], lane: int) -> dict[str, NDArray[Any]]:
    return {name: tensors.array(tensor[lane]) for name, tensor in named.items()}


@torch.no_grad()
def clip_grad_norm(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale the gradients of every lane so that their global L2 norm is at most ``max_norm``.

    Returns:
        The norms before clipping, shape (lanes,).
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    norms = [torch.linalg.vector_norm(grad.flatten(1), dim=1) for grad in grads]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(factor.view(-1, *[1] * (grad.ndim - 1)))
    return norm


def build(config: TDMPC2Config, task: Task, seeds: Sequence[int], *, device: str = "cpu") -> TDMPC2:
    """Build the agent for ``task``, one lane per seed.

    Args:
        config: settings; resolved here.
        task: what to learn.
        seeds: one per lane.
        device: a torch device name.

    Raises:
        UsageError: there is no such device.
    """
    return TDMPC2(config.resolved(task), task, seeds, prepared(device))


def prepared(device: str) -> torch.device:
    """The device of that name, ready for this agent.

    Raises:
        UsageError: there is no such device.
    """
    where = tensors.device(device)
    if where.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, as the released code allows
    return where
