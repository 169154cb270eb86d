"""Playing a trained cell's agent again, outside training."""

from __future__ import annotations

from pathlib import Path

from tdmpc2_bench import registry
from tdmpc2_bench.loop import Evaluation, evaluate_all
from tdmpc2_bench.player import load_agent


def evaluate_cell(path: Path, *, episodes: int, device: str = "cpu") -> dict[str, Evaluation]:
    """Evaluate a finished cell's agent in every mode; nothing is written.

    Args:
        path: the cell's folder.
        episodes: how many: the same that evaluations made while training play.
        device: where the agent computes.

    Raises:
        UsageError: no cell, or not finished.
        DamagedFile: its files cannot be read back.
    """
    player = load_agent(path, device=device)
    envs = [registry.make(player.task) for _ in range(episodes)]
    found = evaluate_all(player.agent, [envs], [player.trained_with]) or {}
    for env in envs:
        env.close()
    return {mode: lanes[0] for mode, lanes in found.items()}
