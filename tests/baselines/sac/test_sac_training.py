"""SAC through the runner: trained, stored, played again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cells
import numpy as np
import pytest
from learner import job

import tdmpc2_bench
from tdmpc2_bench import record

TINY = {"width": 16, "batch_size": 16, "seed_steps": 40}


@pytest.mark.parametrize("preset", ["reference", "sb3"])
@pytest.mark.parametrize("task", ["toy-point", "cartpole-balance"])
def test_a_cell_is_trained_and_its_agent_plays_again(
    tmp_path: Path, task: str, preset: str
) -> None:
    if task == "cartpole-balance":
        pytest.importorskip("dm_control", reason="the task's simulator")
    settings: dict[str, Any] = {"steps": 120, "eval_every": 60, "eval_episodes": 1}
    todo = job(tmp_path, agent="sac", preset=preset, task=task, overrides=TINY, **settings)
    attempt = cells.finish(todo)
    rows = record.read_log(attempt.evals).rows
    assert [(row["env_step"], row["mode"]) for row in rows] == [
        (step, mode) for step in (0, 60, 120) for mode in ("mean", "sample")
    ]
    agent = tdmpc2_bench.load_agent(tmp_path / str(todo.cell))
    action = agent.act(np.zeros(agent.task.obs_dim, np.float32))
    assert action.shape == (agent.task.action_dim,) and np.abs(action).max() <= 1
