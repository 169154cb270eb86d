"""SAC's settings: one frozen dataclass, a source per field, and its presets.

Knows neither torch nor stable-baselines3, so that cells can be named and planned without them.

TD-MPC2's authors do not publish the settings of their SAC runs but for the batch size, and say
that they differ from task to task. So `reference` follows pytorch_sac (denisyarats/pytorch_sac,
"the code" below), on which their baseline is thought to be built (that could not be checked); `sb3`
is stable-baselines3 as it comes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

REVISION = 1  # raised whenever the learning behaviour of this agent changes
DISTRIBUTIONS = ("stable-baselines3",)  # whose versions its numbers depend on, beside torch's
EXTRA = "sac"  # pip extra that installs what it needs

CRITICS = 2  # of which the smaller value counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SACConfig:
    """Settings of SAC; the defaults are the preset `reference`."""

    # Networks: an actor and two critics
    width: int = 1024  # of every hidden layer (the code; not known for TD-MPC2's runs)
    hidden_layers: int = 2  # with ReLU, without normalisation (the code)
    init: Literal["orthogonal", "torch"] = "orthogonal"  # with zero biases (the code); or torch's
    log_std: Literal["tanh", "clamp"] = "tanh"  # squashed into [-5, 2] (the code); or cut, [-20, 2]

    # Learning
    lr: float = 1e-4  # Adam, for actor, critics and temperature alike (the code)
    temperature: float = 0.1  # alpha at the start; learnt towards entropy -dim(A) (the code)
    batch_size: int = 512  # transitions per update (TD-MPC2, section 4; the code has 1024)
    tau: float = 0.0025  # moving average of the target critics (the code: 0.005 every 2nd update)
    discount: float = 0.99  # gamma (the code)
    capacity: int = 1_000_000  # rows of replay (the code: transitions)
    seed_steps: int = 5_000  # random agent steps before learning (the code); no burst follows

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, naming the one to change."""
        for name in ("width", "hidden_layers", "batch_size", "seed_steps"):
            value = getattr(self, name)
            if value < 1:
                msg = f"{name}={value}: expected at least 1"
                raise UsageError(msg)
        for name in ("lr", "temperature"):
            value = getattr(self, name)
            if value <= 0:
                msg = f"{name}={value}: expected a number above 0"
                raise UsageError(msg)
        if self.capacity < 2:  # noqa: PLR2004 - said in the message
            msg = f"capacity={self.capacity}: a transition is two rows, expected at least 2"
            raise UsageError(msg)
        if not 0 < self.tau <= 1:
            msg = f"tau={self.tau}: expected a share, above 0 and at most 1"
            raise UsageError(msg)
        if not 0 < self.discount < 1:
            msg = f"discount={self.discount}: expected a number in (0, 1)"
            raise UsageError(msg)

    def expanded(self) -> SACConfig:
        """Nothing follows from other settings."""
        return self

    def resolved(self, task: Task) -> SACConfig:
        """Nothing follows from the task: SAC has one set of settings here."""
        del task
        return self


PRESETS: dict[str, SACConfig] = {
    "reference": SACConfig(),
    # Defaults of stable-baselines3 2.9's SAC and its MlpPolicy.
    "sb3": SACConfig(
        width=256,
        init="torch",
        log_std="clamp",
        lr=3e-4,
        temperature=1.0,
        batch_size=256,
        tau=0.005,
        seed_steps=100,
    ),
}
DEFAULT_PRESET = "reference"
CONFIG = SACConfig


def parameters(config: SACConfig, task: Task) -> int:
    """How many numbers are learnt: actor, critics and temperature, without the target critics."""
    hidden = [config.width] * config.hidden_layers
    actor = _weights([task.obs_dim, *hidden, 2 * task.action_dim])
    critic = _weights([task.obs_dim + task.action_dim, *hidden, 1])
    return actor + CRITICS * critic + 1


def _weights(widths: Sequence[int]) -> int:
    """Weights and biases of a network of linear layers."""
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(widths))
