"""Where a cell's files lie: the one place that knows their names.

``runs/<experiment>/<agent>/<variant>/<task>/<seed>/`` is a cell; every process that works on it
has an ``attempt-N`` folder of its own in there, and nothing else is ever written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LogName = Literal["evals", "train", "events"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Agent x variant x task x one seed: the unit of work and of results."""

    agent: str
    variant: str
    task: str
    seed: int

    def __str__(self) -> str:
        return f"{self.agent}/{self.variant}/{self.task}/{self.seed}"


@dataclass(frozen=True, slots=True)
class AttemptDir:
    """One incarnation of a cell's runner."""

    path: Path
    number: int

    @property
    def start(self) -> Path:
        """Who runs this attempt and what it continues; written first."""
        return self.path / "start.json"

    @property
    def heartbeat(self) -> Path:
        """A counter that its owner keeps raising, with its progress."""
        return self.path / "heartbeat"

    @property
    def evals(self) -> Path:
        """Evaluations, one line per evaluation and mode."""
        return self.path / "evals.jsonl"

    @property
    def train(self) -> Path:
        """Training episodes with losses and speed."""
        return self.path / "train.jsonl"

    @property
    def events(self) -> Path:
        """What happened to the process."""
        return self.path / "events.jsonl"

    def log(self, name: LogName) -> Path:
        """One of the three above, by name."""
        logs: dict[LogName, Path] = {
            "evals": self.evals,
            "train": self.train,
            "events": self.events,
        }
        return logs[name]

    @property
    def output(self) -> Path:
        """What a worker process printed."""
        return self.path / "output.txt"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def replay(self) -> Path:
        """Folder of replay segments."""
        return self.path / "replay"

    @property
    def evals_csv(self) -> Path:
        """All evaluations of the cell up to here, one row per mode and episode."""
        return self.path / "evals.csv"

    @property
    def weights(self) -> Path:
        """What acting needs, at the end of the budget."""
        return self.path / "weights.safetensors"

    def kept_weights(self, env_step: int) -> Path:
        """Weights of environment step ``env_step``, where some are kept along the way."""
        return self.path / "weights" / f"{env_step}.safetensors"

    @property
    def failure(self) -> Path:
        """How the attempt failed, if it did."""
        return self.path / "failure.json"

    @property
    def done(self) -> Path:
        """Written last: the attempt's result stands."""
        return self.path / "DONE.json"


@dataclass(frozen=True, slots=True)
class CellDir:
    """A cell's folder."""

    path: Path
    cell: Cell

    @classmethod
    def of(cls, root: Path, cell: Cell) -> CellDir:
        """The folder of ``cell`` in the experiment ``root``."""
        return cls(root / cell.agent / cell.variant / cell.task / str(cell.seed), cell)

    @property
    def manifest(self) -> Path:
        """The cell's identity: settings, protocol, versions; written first, never changed."""
        return self.path / "run.json"

    def attempt(self, number: int) -> AttemptDir:
        """The folder of attempt ``number``, existing or not."""
        return AttemptDir(self.path / f"attempt-{number}", number)

    def attempts(self) -> list[AttemptDir]:
        """All attempts, oldest first."""
        names = (re.fullmatch(r"attempt-([1-9]\d*)", p.name) for p in self._entries())
        return [self.attempt(n) for n in sorted(int(name[1]) for name in names if name)]

    def finished(self) -> AttemptDir | None:
        """The highest attempt that is done: the cell's result."""
        return next((a for a in reversed(self.attempts()) if a.done.exists()), None)

    def _entries(self) -> list[Path]:
        return list(self.path.iterdir()) if self.path.is_dir() else []


def find_cells(root: Path) -> list[CellDir]:
    """All cells below an experiment's folder, sorted by agent, variant, task and seed."""
    found = []
    for path in root.glob("*/*/*/*/"):
        agent, variant, task, seed = path.parts[-4:]
        if seed.isdecimal():
            found.append(CellDir(path, Cell(agent, variant, task, int(seed))))
    return sorted(found, key=lambda d: (d.cell.agent, d.cell.variant, d.cell.task, d.cell.seed))
