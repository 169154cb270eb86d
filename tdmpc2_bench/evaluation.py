"""Playing a trained agent again, outside training."""

from __future__ import annotations

from pathlib import Path

from tdmpc2_bench import film, registry
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.loop import Evaluation, evaluate_all
from tdmpc2_bench.trained import Trained


def evaluate(
    trained: Trained, *, episodes: int, device: str = "cpu", video: Path | None = None
) -> dict[str, Evaluation]:
    """Evaluate a trained agent in every mode, headline first.

    Args:
        trained: the agent.
        episodes: how many: the same that evaluations made while training play.
        device: where the agent computes.
        video: file for a film of the first episode in the headline mode; None: none is made.

    Raises:
        UsageError: its task cannot be played or filmed here.
    """
    agent = trained.build(device)
    if video is not None:
        film.prepare(video)
    envs: list[TaskEnv] = [registry.make(trained.task) for _ in range(episodes)]
    try:
        if video is not None:
            envs[0] = film.Filmed(envs[0], video)
        found = evaluate_all(agent, [envs], [trained.seed]) or {}
    finally:
        for env in envs:
            env.close()
    return {mode: lanes[0] for mode, lanes in found.items()}
