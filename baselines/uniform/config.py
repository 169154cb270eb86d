"""The uniform agent's settings: it has none."""

from __future__ import annotations

from dataclasses import dataclass

from tdmpc2_bench.task import Task

REVISION = 1


@dataclass(frozen=True, slots=True)
class UniformConfig:
    """No settings."""

    def expanded(self) -> UniformConfig:
        """Nothing follows from anything."""
        return self

    def resolved(self, task: Task) -> UniformConfig:
        """Nothing follows from the task."""
        del task
        return self


def parameters(config: UniformConfig, task: Task) -> int:
    """Nothing is learnt."""
    del config, task
    return 0


PRESETS = {"uniform": UniformConfig()}
DEFAULT_PRESET = "uniform"
CONFIG = UniformConfig
