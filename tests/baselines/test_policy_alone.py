"""mpc=off, the policy alone while training and evaluating, and what it is not.

An agent that plans is evaluated with its policy alone too, in modes of their own; but what that
policy learned from was planned. With mpc=off nothing is ever planned.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import tdmpc2_bench
from tdmpc2_bench import registry
from tdmpc2_bench.baselines.tdmpc2 import planner
from tdmpc2_bench.loop import Interaction, Stepped, Updated, evaluate_all

SMALL = {
    "enc_dim": 8, "mlp_dim": 8, "latent_dim": 8, "num_samples": 12, "num_elites": 4,
    "num_pi_trajs": 2, "batch_size": 4, "iterations": 1, "seed_steps": 30,
}  # fmt: skip


def trained(agent: str, task: str, agent_steps: int, **settings: Any) -> Interaction:
    """A training of a tiny agent, with all updates that are due."""
    entry, row = registry.agent(agent), registry.task(task)
    config = entry.config_type(**{**SMALL, **settings})
    interaction = Interaction(entry.build(config, row, [1]), [registry.make(row)], [1])
    for event in interaction.events():
        assert isinstance(event, (Stepped, Updated))
        done = interaction.agent_step >= agent_steps
        if done and not interaction.agent.updates_due():
            break
    return interaction


@pytest.mark.parametrize("agent", ["tdmpc2", "tdmpc"])
def test_nothing_is_ever_planned(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(*_: Any, **__: Any) -> None:
        pytest.fail("a plan was made")

    monkeypatch.setattr(planner.Planner, "__call__", plan)
    interaction = trained(agent, "toy-point", 60, mpc=False)
    assert interaction.updates >= 30
    found = evaluate_all(interaction.agent, [[registry.make(registry.task("toy-point"))]], [1])
    assert found is not None
    assert list(found) == ["mean", "sample"]  # the headline first
    with pytest.raises(pytest.fail.Exception):
        trained(agent, "toy-point", 60)


def test_it_is_a_cell_of_its_own_without_a_planner_or_a_gap(tmp_path: Path) -> None:
    few = {"iterations": 1, "latent_dim": 8, "mlp_dim": 8, "num_samples": 64, "seed_steps": 30}
    for settings in (few, {**few, "mpc": False}):
        outcome = tdmpc2_bench.run(
            "toy-point", seeds=1, steps=80, eval_every=80, eval_episodes=1, settings=settings,
            out=tmp_path,
        )  # fmt: skip
        assert len(outcome.finished) == 1
    results = tdmpc2_bench.load_results(tmp_path)
    found = dict(list(results.groupby("variant")))
    planning, without = sorted(found, key=lambda name: "mpc=off" in name)
    assert without == planning.replace("mlp_dim=8,", "mlp_dim=8,mpc=off,")
    assert set(found[planning]["mode"]) == {"plan", "mean", "sample"}
    assert set(found[without]["mode"]) == {"mean", "sample"}
    assert found[without]["gap"].isna().all()
    last = results[results["env_step"] == 80].set_index(["variant", "mode"])
    assert math.isfinite(last.loc[(planning, "plan"), "gap"])
    # Both have a policy that acts alone; they have not learned from the same steps.
    of_both = [last.loc[(name, "mean"), "return"] for name in (planning, without)]
    assert of_both[0] != of_both[1]


@pytest.mark.parametrize("settings", [{}, {"mpc": False}], ids=["planning", "mpc=off"])
def test_tdmpc_learns_on_a_task_of_dm_control(settings: dict[str, Any]) -> None:
    """A random episode of 500 decisions, its burst, and some decisions of the next."""
    pytest.importorskip("dm_control", reason="the task's simulator")
    interaction = trained("tdmpc", "pendulum-swingup", 510, **settings)
    assert (interaction.agent_step, interaction.updates) == (510, 30)
    (replay,) = interaction.agent.replays
    assert replay.rows_written == 501 + 11
