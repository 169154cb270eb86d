"""What a path holds of a trained agent: a cell, one of its checkpoints, or a file of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdmpc2_bench import checkpoint, manifest, registry, variant
from tdmpc2_bench.agent import Agent, State
from tdmpc2_bench.celldir import CellDir
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

_EXPECTED = (
    "expected a cell's folder (runs/<experiment>/<agent>/<variant>/<task>/<seed>), a checkpoint "
    "of it (attempt-N/checkpoints/<agent step>-<updates>) or a file of weights (.safetensors)"
)
_IDENTITY = ("agent", "preset", "overrides", "task", "seed")


@dataclass(frozen=True, slots=True)
class Trained:
    """An agent as it stood at some point of its training."""

    identity: Mapping[str, Any]  # agent, preset, overrides, task, seed
    weights: Mapping[str, Any] | None  # what acting needs, or ...
    state: State | None  # ... everything, of a checkpoint
    source: str  # where it stood, in words

    @property
    def task(self) -> Task:
        """What it was trained on."""
        return registry.task(self.identity["task"])

    @property
    def seed(self) -> int:
        """What it was trained with."""
        return int(self.identity["seed"])

    def build(self, device: str = "cpu") -> Agent:
        """The agent, with one lane."""
        entry = registry.agent(self.identity["agent"])
        config = variant.configure(
            entry.presets, self.identity["preset"], self.identity["overrides"]
        )
        agent = entry.build(config, self.task, [self.seed], device=device)
        if self.weights is not None:
            agent.load_weights([self.weights])
        elif self.state is not None:
            agent.load_state([self.state])
        return agent


def find(path: Path) -> Trained:
    """The trained agent that ``path`` holds: the result of a cell, or its newest checkpoint.

    Raises:
        UsageError: it holds none, or not in a format that is opened.
        DamagedFile: it cannot be read back.
    """
    if path.is_file():
        return _lone(path)
    if (path / "state.json").exists():
        return _checkpoint(path)
    if not (path / "run.json").exists():
        msg = f"{path} holds no trained agent; {_EXPECTED}"
        raise UsageError(msg)
    cell = manifest.find(path)
    finished = cell.finished()
    if finished is not None:
        weights = checkpoint.read_weights(finished.weights)
        return Trained(identity(cell), weights, None, f"result, {finished.path.name}")
    found = checkpoint.newest(cell)
    if found is None:
        msg = f"{cell.cell} is not finished and has no checkpoint yet"
        raise UsageError(msg)
    return _of_state(cell, found.state, f"{found.attempt.path.name}/checkpoints/{found.name}")


def identity(cell: CellDir) -> dict[str, Any]:
    """What a cell's weights must say of themselves to stand alone.

    Raises:
        DamagedFile: the cell's identity cannot be read.
    """
    content = manifest.read(cell)
    return {key: content[key] for key in (*_IDENTITY, "revision", "fingerprint")}


def _lone(path: Path) -> Trained:
    """What a file of weights says by itself."""
    if path.suffix != ".safetensors":
        msg = f"{path} is not opened, since other formats can run code; {_EXPECTED}"
        raise UsageError(msg)
    weights, described = checkpoint.read_weights(path), checkpoint.read_description(path)
    missing = [key for key in _IDENTITY if key not in described]
    if missing:
        msg = f"{path} does not say what agent it is of ({', '.join(missing)} missing); {_EXPECTED}"
        raise UsageError(msg)
    return Trained(described, weights, None, path.name)


def _checkpoint(path: Path) -> Trained:
    cell = manifest.find(path.absolute().parents[2])  # <cell>/attempt-N/checkpoints/<name>
    return _of_state(cell, checkpoint.decode(path), path.name)


def _of_state(cell: CellDir, state: State, source: str) -> Trained:
    standing = state["interaction"]
    step = standing["agent_step"]
    words = f"checkpoint {source}, at {step:,} agent steps and {standing['updates']:,} updates"
    return Trained(identity(cell), None, standing["agent"], words)
