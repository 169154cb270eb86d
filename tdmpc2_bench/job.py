"""What a runner is asked to do, and how it is asked to stop."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from tdmpc2_bench import ownership, registry, variant
from tdmpc2_bench.celldir import Cell

# What stays of a cell when it is done: its logs and weights always; its replay; or also its
# checkpoints, without which it cannot be extended.
Keep = Literal["weights", "replay", "all"]

# What a cell may be continued in spite of. damaged: its result, or all its checkpoints, cannot be
# read; it is trained anew. inexact: its simulator does not repeat itself; the episode in progress
# is dropped. changed: it was begun under another protocol, revision or versions. The last two
# mark its result.
Allowed = Literal["damaged", "inexact", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one runner is to do. Plain values only, since it travels as JSON."""

    root: str  # the experiment's folder
    agent: str
    preset: str
    overrides: dict[str, Any]  # agent settings, of the right types
    task: str
    seed: int
    steps: int  # training budget, environment steps
    eval_every: int  # environment steps
    eval_episodes: int
    keep: Keep = "all"  # what stays when the cell is done
    keep_every: int | None = None  # environment steps between weights that stay
    device: str = "cpu"
    checkpoint_seconds: float = 600.0
    allow: Sequence[str] = ()  # of `Allowed`
    stale_seconds: float = ownership.STALE_SECONDS

    @property
    def cell(self) -> Cell:
        """The cell this job trains."""
        name = _variant(self.agent, self.preset, tuple(sorted(self.overrides.items())))
        return Cell(self.agent, name, self.task, self.seed)


@functools.cache  # asked for every cell of large grids, and the same for most
def _variant(agent: str, preset: str, overrides: tuple[tuple[str, Any], ...]) -> str:
    entry = registry.agent(agent)
    return variant.name(entry.presets, entry.default_preset, preset, dict(overrides))


# What terminals and batch systems send before they kill.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class StopRequest:
    """A flag that signals set; the runner looks at it between steps."""

    def __init__(self) -> None:
        """Not requested yet."""
        self.times = 0

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self.times > 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM, SIGINT and the batch systems' warnings as requests, for a while."""
        before = {number: signal.signal(number, self._set) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _set(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.times += 1
