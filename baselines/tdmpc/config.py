"""TD-MPC's settings: those of TD-MPC2's code with other values, and what only TD-MPC has.

Knows no torch, so that cells can be named and planned without loading it. Values are those of the
authors' code of TD-MPC where nothing else is said; the paper's table prints other loss weights
(10, 0.5, 1.0), which its author calls a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from tdmpc2_bench.baselines.tdmpc2 import config as tdmpc2
from tdmpc2_bench.baselines.tdmpc2.config import ITERATIONS, ResolvedConfig, TDMPC2Config
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

REVISION = 1  # raised whenever the learning behaviour of this agent changes
EXTRA = tdmpc2.EXTRA  # pip extra that installs what it needs

# What differs from task to task, by the domain of DMControl. Source: TD-MPC's released settings.
_EVERYWHERE: dict[str, Any] = {
    "latent_dim": 50, "lr": 1e-3, "batch_size": 512, "iterations": ITERATIONS,
}  # fmt: skip
_BY_DOMAIN: dict[str, dict[str, Any]] = {
    "dog": {"latent_dim": 100, "lr": 3e-4, "batch_size": 2048, "iterations": 8},
    "humanoid": {"latent_dim": 100, "iterations": 12},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TDMPCConfig(TDMPC2Config):
    """Settings of TD-MPC; `TDMPC2Config` says what those mean that have no word here.

    None means: follows from the task.
    """

    # Model (paper, appendix "implementation details")
    enc_dim: int | None = 256
    mlp_dim: int | None = 512
    latent_dim: int | None = None  # 50; dog and humanoid 100
    enc_layers: int | None = 2
    num_q: int | None = 2
    latent_norm: Literal["simnorm", "none"] = "none"
    norm: Literal["ln", "none"] = "none"  # of all hidden layers but a tanh q_block's
    act: Literal["elu", "mish"] = "elu"  # activation of hidden layers
    # Hidden layers of a Q-head: linear, LayerNorm, tanh, linear, act; or as everywhere.
    q_block: Literal["tanh", "plain"] = "tanh"
    init: Literal["orthogonal", "normal"] = "orthogonal"  # of weights; reward and Q outputs are 0
    dropout: float = 0.0
    num_bins: Literal[101, 1, 0] = 0  # squared error of plain numbers

    # Learning
    horizon: int = 5  # of the sub-sequences, and of planning once the schedule has run out
    batch_size: int | None = None  # type: ignore[assignment] # 512; dog 2048
    consistency_coef: float = 2.0  # losses are sums over time, so these compare with no mean's
    reward_coef: float = 0.5
    value_coef: float = 0.1  # of the sum over Q-heads
    loss_clamp: float = 1e4  # most that one of these terms counts for one sub-sequence
    lr: float | None = None  # type: ignore[assignment] # 1e-3; dog 3e-4
    enc_lr_scale: float = 1.0
    grad_clip_norm: float = 10.0
    target_encoder: bool = True  # consistency with a moving average of the encoder, or with itself
    target_every: int = 2  # updates between two moves (tau) of the moving averages
    prioritised: bool = True  # draw sub-sequences by their TD errors, or as TD-MPC2 does
    priority_alpha: float = 0.6  # exponent of priorities (Schaul et al. 2015, section 3.3)
    importance_beta: float = 0.4  # exponent of importance weights (ibidem, section 3.4)
    actor: Literal["maxent", "det"] = "det"  # tanh(mean) plus clipped noise, or TD-MPC2's
    actor_std: float = 0.05  # of that noise in targets, policy loss, plans and evaluations
    actor_clip: float = 0.3  # its largest size
    q_judge: Literal["min", "mean"] = "min"  # of two Q-heads, in plans and in the policy loss
    discount: float | None = 0.99
    seed_steps: int | None = 5000  # agent steps; whole episodes are random, then as many updates
    # After an episode as many updates as it has agent steps; or one after every agent step.
    update_when: Literal["episode", "step"] = "episode"

    # Planning with MPPI
    num_samples: int = 537  # 512 and 5 % of them by the policy
    num_pi_trajs: int = 25
    momentum: float = 0.1  # share of its previous value that the mean keeps in an iteration
    clamp_action: bool = False  # of a plan with its noise, before it is stored
    # Horizon and std go linearly from their starts to horizon and min_std over so many agent
    # steps, and are set when an episode begins. 0: they are there at once.
    schedule_steps: int = 25_000
    horizon_start: int = 1
    std_start: float = 0.5  # least std of plans; std of the policy's noise while training without

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, naming the one to change."""
        TDMPC2Config.__post_init__(self)  # no super(): a dataclass with slots is another class
        checks = {
            f"size={self.size}: TD-MPC has one size; set enc_dim, mlp_dim, latent_dim": (
                self.size == TDMPC2Config().size
            ),
            f"horizon_start={self.horizon_start}: expected 1 to horizon={self.horizon}": (
                1 <= self.horizon_start <= self.horizon
            ),
            f"schedule_steps={self.schedule_steps}: expected 0 or more": self.schedule_steps >= 0,
            f"target_every={self.target_every}: expected at least 1": self.target_every >= 1,
            f"momentum={self.momentum}: expected a share below 1": 0 <= self.momentum < 1,
            f"priority_alpha={self.priority_alpha}: expected 0 to 1": (
                0 <= self.priority_alpha <= 1
            ),
            f"importance_beta={self.importance_beta}: expected 0 to 1": (
                0 <= self.importance_beta <= 1
            ),
        }
        for name in ("actor_std", "actor_clip", "std_start", "loss_clamp"):
            value = getattr(self, name)
            checks[f"{name}={value}: expected a positive number"] = value > 0
        for message, holds in checks.items():
            if not holds:
                raise UsageError(message)

    def _latent_by_size(self) -> int | None:
        return None  # by task

    def _policy_explores(self) -> bool:
        return True  # a deterministic actor has noise of its own

    def policy_width(self, task: Task) -> int:
        """Length of the policy network's output."""
        return task.action_dim * (1 if self.actor == "det" else 2)

    def expanded(self) -> TDMPCConfig:
        """Nothing follows from a size."""
        return self

    def late(self) -> TDMPCConfig:
        """The same once its schedules have run out: what most of a training costs."""
        return replace(self, schedule_steps=0)

    def resolved(self, task: Task) -> ResolvedTDMPCConfig:
        """Fill in what the task says.

        Raises:
            UsageError: the task's episodes are too short for the horizon.
        """
        if self.horizon >= task.episode_agent_steps:
            msg = (
                f"horizon={self.horizon}: episodes of {task.name} have "
                f"{task.episode_agent_steps} agent steps, expected more than the horizon"
            )
            raise UsageError(msg)
        return ResolvedTDMPCConfig(**self._settings(task))

    def _by_task(self, task: Task) -> dict[str, Any]:
        domain = task.env_id.partition("/")[0] if task.suite == "dmcontrol" else ""
        return {**_EVERYWHERE, **_BY_DOMAIN.get(domain, {}), "episodic": task.terminates}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedTDMPCConfig(ResolvedConfig, TDMPCConfig):
    """Settings with nothing left open."""

    lr: float
    batch_size: int

    def search_at(self, agent_step: int) -> tuple[int, float]:
        """Horizon and least standard deviation of plans in an episode that begins at that step."""
        done = min(agent_step / self.schedule_steps, 1.0) if self.schedule_steps else 1.0
        horizon = (1 - done) * self.horizon_start + done * self.horizon
        return int(horizon), (1 - done) * self.std_start + done * self.min_std


PRESETS: dict[str, TDMPCConfig] = {"paper": TDMPCConfig()}
DEFAULT_PRESET = "paper"
CONFIG = TDMPCConfig


def parameters(config: TDMPCConfig, task: Task) -> int:
    """How many numbers are learnt, as of TD-MPC2, without the target encoder.

    A tanh block has one LayerNorm, behind its first layer, whatever ``norm`` says of the others.
    """
    count, settings = tdmpc2.parameters(config, task), config.resolved(task)
    if settings.q_block == "tanh":
        one = 2 * settings.mlp_dim * settings.num_q
        count += -one if settings.norm == "ln" else one
    return count
