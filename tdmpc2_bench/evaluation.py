"""Playing a trained cell's agent again, outside training."""

from __future__ import annotations

from pathlib import Path

from tdmpc2_bench import checkpoint, record, registry, variant
from tdmpc2_bench.celldir import Cell, CellDir
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.loop import Evaluation, evaluate_all


def evaluate_cell(path: Path, *, episodes: int, device: str = "cpu") -> dict[str, Evaluation]:
    """Evaluate a finished cell's agent in every mode; nothing is written.

    Args:
        path: the cell's folder.
        episodes: how many; the first ones are those of the evaluations made while training.
        device: where the agent computes.

    Raises:
        UsageError: no cell, or not finished.
        DamagedFile: its files cannot be read back.
    """
    manifest_path = path / "run.json"
    if not manifest_path.exists():
        msg = f"{path} is no cell: expected runs/<experiment>/<agent>/<variant>/<task>/<seed>"
        raise UsageError(msg)
    manifest = record.read_json(manifest_path)
    cell = Cell(manifest["agent"], manifest["variant"], manifest["task"], manifest["seed"])
    finished = CellDir(path, cell).finished()
    if finished is None:
        msg = f"{cell} is not finished; the command that began it continues it"
        raise UsageError(msg)
    task = registry.task(cell.task)
    entry = registry.agent(cell.agent)
    config = variant.configure(entry.presets, manifest["preset"], manifest["overrides"])
    agent = entry.build(config, task, [cell.seed], device=device)
    agent.load_weights([checkpoint.read_weights(finished.weights)])
    envs = [registry.make(task) for _ in range(episodes)]
    found = evaluate_all(agent, [envs], [cell.seed]) or {}
    for env in envs:
        env.close()
    return {mode: lanes[0] for mode, lanes in found.items()}
