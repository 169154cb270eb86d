"""The climber's settings."""

from __future__ import annotations

from dataclasses import dataclass

from tdmpc2_bench.task import Task

REVISION = 1  # raised whenever the agent learns differently


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimberConfig:
    """Settings of the climber."""

    step_size: float = 1.0  # standard deviation of a change of the policy's weights

    def expanded(self) -> ClimberConfig:
        """No setting follows from another."""
        return self

    def resolved(self, task: Task) -> ClimberConfig:
        """No setting follows from the task."""
        del task
        return self


CONFIG = ClimberConfig
PRESETS = {"plain": ClimberConfig()}
DEFAULT_PRESET = "plain"
