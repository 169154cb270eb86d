"""TD-MPC2's settings: the paper's table as one frozen dataclass, its sizes and its presets.

Knows no torch, so that cells can be named and planned without loading it.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

REVISION = 2  # raised whenever the learning behaviour of this agent changes
EXTRA = "torch"  # pip extra that installs what it needs

# Model sizes by name in millions of parameters. Source: TD-MPC2, table of model sizes; the number
# of Q-functions of size 5 is 5 as in the authors' code (a printed copy says 2, which would make
# it 3.5 M parameters).
SIZES: dict[int, dict[str, int]] = {
    1: {"enc_dim": 256, "mlp_dim": 384, "latent_dim": 128, "enc_layers": 2, "num_q": 2},
    5: {"enc_dim": 256, "mlp_dim": 512, "latent_dim": 512, "enc_layers": 2, "num_q": 5},
    19: {"enc_dim": 1024, "mlp_dim": 1024, "latent_dim": 768, "enc_layers": 3, "num_q": 5},
    48: {"enc_dim": 1792, "mlp_dim": 1792, "latent_dim": 768, "enc_layers": 4, "num_q": 5},
    317: {"enc_dim": 4096, "mlp_dim": 4096, "latent_dim": 1376, "enc_layers": 5, "num_q": 8},
}

# Tasks with at least so many action dimensions get two more planner iterations.
# Source: TD-MPC2, table of hyperparameters.
ITERATIONS = 6
LARGE_ACTION_DIM = 20
EXTRA_ITERATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TDMPC2Config:
    """Settings of TD-MPC2. None means: follows from ``size`` or from the task."""

    # Model (paper, appendix "implementation details")
    size: Literal[1, 5, 19, 48, 317] = 5  # named size, millions of parameters
    enc_dim: int | None = None  # width of the encoder's hidden layers; by size
    mlp_dim: int | None = None  # width of all other hidden layers; by size
    latent_dim: int | None = None  # length of the latent z; by size
    enc_layers: int | None = None  # encoder layers, the latent layer included; by size
    num_q: int | None = None  # heads of the Q-ensemble; by size
    simnorm_dim: int = 8  # V, length of one simplex of SimNorm
    latent_norm: Literal["simnorm", "none"] = "simnorm"  # normalisation of the latent
    norm: Literal["ln", "none"] = "ln"  # LayerNorm before every activation, or none
    dropout: float = 0.01  # first hidden layer of every Q head, while training only
    num_bins: Literal[101, 1, 0] = 101  # discrete regression; 1: MSE in symlog space, 0: plain MSE
    bin_limit: float = 10.0  # bins lie on [-bin_limit, bin_limit] in symlog space
    log_std_min: float = -10.0  # policy
    log_std_max: float = 2.0

    # Learning
    horizon: int = 3  # H, of planning and of the training sub-sequences
    batch_size: int = 256  # B, sub-sequences per update
    rho: float = 0.5  # weight of step t is rho^t (the paper's lambda)
    consistency_coef: float = 20.0
    reward_coef: float = 0.1
    value_coef: float = 0.1
    lr: float = 3e-4  # Adam
    enc_lr_scale: float = 0.3  # encoder's share of lr
    grad_clip_norm: float = 20.0  # global L2 norm, model and policy apart
    tau: float = 0.01  # moving average of target Q and of the value scale
    actor: Literal["maxent", "det"] = "maxent"  # stochastic with entropy bonus, or tanh(mean)
    entropy_coef: float = 1e-4  # alpha, fixed
    entropy: Literal["squashed", "gaussian"] = "squashed"  # which entropy term, see docs/agents
    episodic: bool | None = None  # learn and plan with ends of episodes; if the task has any
    termination_coef: float = 1.0  # weight of the termination loss, in episodic mode
    capacity: int = 1_000_000  # rows of replay
    discount: float | None = None  # gamma; from the episode length
    seed_steps: int | None = None  # random agent steps before learning; from the episode length

    # Planning with MPPI
    mpc: bool = True  # plan, or act with the policy alone
    iterations: int | None = None  # 6, or 8 from 20 action dimensions on
    num_samples: int = 512  # candidates per iteration, the policy's included
    num_elites: int = 64
    num_pi_trajs: int = 24  # candidates proposed by the policy
    temperature: float = 0.5
    min_std: float = 0.05
    max_std: float = 2.0
    plan_dtype: Literal["float32", "bfloat16"] = "float32"  # of the planner's products; not ours

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, naming the one to change."""
        if self.size not in SIZES:
            msg = f"size={self.size}: expected one of {', '.join(map(str, SIZES))}"
            raise UsageError(msg)
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value < 1:
                msg = f"{name}={value}: expected at least 1"
                raise UsageError(msg)
        self._check_combinations()

    def _check_combinations(self) -> None:
        latent_dim = self.latent_dim or self._latent_by_size()
        checks = {
            f"num_q={self.num_q}: two heads are drawn per value, expected at least 2": (
                self.num_q is None or self.num_q >= 2  # noqa: PLR2004 - said in the message
            ),
            f"simnorm_dim={self.simnorm_dim}: expected a divisor of latent_dim={latent_dim}": (
                self.latent_norm == "none" or not latent_dim or latent_dim % self.simnorm_dim == 0
            ),
            f"num_bins={self.num_bins}: expected 101, 1 or 0": self.num_bins in {101, 1, 0},
            f"capacity={self.capacity}: expected more rows than horizon={self.horizon}": (
                self.capacity > self.horizon
            ),
            f"dropout={self.dropout}: expected a probability below 1": 0 <= self.dropout < 1,
            f"num_pi_trajs={self.num_pi_trajs}: expected 0 to num_samples={self.num_samples}": (
                0 <= self.num_pi_trajs <= self.num_samples
            ),
            f"num_elites={self.num_elites}: expected at most num_samples={self.num_samples}": (
                self.num_elites <= self.num_samples
            ),
            "actor=det with mpc=off would never explore: keep one of the two": (
                self._policy_explores() or self.mpc
            ),
            f"discount={self.discount}: expected a number in (0, 1)": (
                self.discount is None or 0 < self.discount < 1
            ),
        }
        for message, holds in checks.items():
            if not holds:
                raise UsageError(message)

    def _latent_by_size(self) -> int | None:
        return SIZES[self.size]["latent_dim"]

    def _policy_explores(self) -> bool:
        """Whether training with the policy alone tries more than one action."""
        return self.actor == "maxent"

    def policy_width(self, task: Task) -> int:
        """Length of the policy network's output: means and raw log standard deviations."""
        return 2 * task.action_dim

    def expanded(self) -> TDMPC2Config:
        """Fill in what the named size says."""
        missing: dict[str, Any] = {
            name: value for name, value in SIZES[self.size].items() if getattr(self, name) is None
        }
        return replace(self, **missing)

    def resolved(self, task: Task) -> ResolvedConfig:
        """Fill in what the size and the task say: the one set of settings, and its few rules.

        Raises:
            UsageError: the task's episodes are too short for the horizon.
        """
        return ResolvedConfig(**self._settings(task))

    def _settings(self, task: Task) -> dict[str, Any]:
        """All settings by name, nothing left open."""
        if self.horizon > task.episode_agent_steps:
            msg = (
                f"horizon={self.horizon}: episodes of {task.name} have "
                f"{task.episode_agent_steps} agent steps, so nothing could be learned"
            )
            raise UsageError(msg)
        settings = asdict(self.expanded())
        by_task = self._by_task(task)
        missing = {name: value for name, value in by_task.items() if settings[name] is None}
        return {**settings, **missing}

    def _by_task(self, task: Task) -> dict[str, Any]:
        """What follows from the task where it is not set."""
        extra = EXTRA_ITERATIONS if task.action_dim >= LARGE_ACTION_DIM else 0
        return {
            "discount": task.discount,
            "seed_steps": task.seed_steps,
            "iterations": ITERATIONS + extra,
            "episodic": task.terminates,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig(TDMPC2Config):
    """Settings with nothing left open; what the networks, the planner and the losses take."""

    enc_dim: int
    mlp_dim: int
    latent_dim: int
    enc_layers: int
    num_q: int
    discount: float
    seed_steps: int
    iterations: int
    episodic: bool


_POSITIVE = (
    "enc_dim", "mlp_dim", "latent_dim", "enc_layers", "num_q", "simnorm_dim", "horizon",
    "batch_size", "capacity", "seed_steps", "iterations", "num_samples", "num_elites",
)  # fmt: skip

PRESETS: dict[str, TDMPC2Config] = {
    "paper": TDMPC2Config(),  # the release of 2023, which made the published curves
    "head": TDMPC2Config(entropy="gaussian"),  # the authors' code of 2026-07-13
}
DEFAULT_PRESET = "paper"
CONFIG = TDMPC2Config


def widths(config: ResolvedConfig, task: Task) -> dict[str, list[int]]:
    """Input, hidden and output widths of every network; "q" is one head."""
    hidden, z_a = [config.mlp_dim] * 2, config.latent_dim + task.action_dim
    bins = max(config.num_bins, 1)
    encoder = [config.enc_dim] * max(config.enc_layers - 1, 1)
    found = {
        "encoder": [task.obs_dim, *encoder, config.latent_dim],
        "dynamics": [z_a, *hidden, config.latent_dim],
        "reward": [z_a, *hidden, bins],
        "q": [z_a, *hidden, bins],
        "policy": [config.latent_dim, *hidden, config.policy_width(task)],
    }
    return {**found, "termination": [config.latent_dim, *hidden, 1]} if config.episodic else found


def parameters(config: TDMPC2Config, task: Task) -> int:
    """How many numbers are learnt: all networks and Q heads, without the target heads."""
    settings, count = config.resolved(task), 0
    for name, sizes in widths(settings, task).items():
        weights = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))
        # LayerNorm's scale and shift, in every layer that has an activation.
        active = sizes[1:] if name in {"encoder", "dynamics"} else sizes[1:-1]
        normed = 2 * sum(active) if settings.norm == "ln" else 0
        count += (weights + normed) * (settings.num_q if name == "q" else 1)
    return count
