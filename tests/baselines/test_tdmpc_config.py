"""The settings of TD-MPC: what is written down of them, by task and by schedule."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest

from tdmpc2_bench import registry, variant
from tdmpc2_bench.baselines.tdmpc.config import (
    DEFAULT_PRESET,
    PRESETS,
    ResolvedTDMPCConfig,
    TDMPCConfig,
)
from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config
from tdmpc2_bench.errors import UsageError

TASKS = registry.tasks()


def test_what_differs_from_tdmpc2_is_what_the_method_says() -> None:
    """The table of both versions, and no other field."""
    ours, theirs = asdict(TDMPCConfig()), asdict(TDMPC2Config())
    assert {name: ours[name] for name in ours if ours[name] != theirs.get(name)} == {
        "enc_dim": 256, "mlp_dim": 512, "enc_layers": 2, "num_q": 2, "latent_norm": "none",
        "norm": "none", "dropout": 0.0, "num_bins": 0, "act": "elu", "q_block": "tanh",
        "init": "orthogonal", "horizon": 5, "batch_size": None, "consistency_coef": 2.0,
        "reward_coef": 0.5, "loss_clamp": 1e4, "lr": None, "enc_lr_scale": 1.0,
        "grad_clip_norm": 10.0, "target_encoder": True, "target_every": 2, "prioritised": True,
        "priority_alpha": 0.6, "importance_beta": 0.4, "actor": "det", "actor_std": 0.05,
        "actor_clip": 0.3, "q_judge": "min", "discount": 0.99, "seed_steps": 5000,
        "update_when": "episode", "num_samples": 512 + 25, "num_pi_trajs": 25, "momentum": 0.1,
        "clamp_action": False, "schedule_steps": 25_000, "horizon_start": 1, "std_start": 0.5,
    }  # fmt: skip
    same = {"value_coef": 0.1, "rho": 0.5, "tau": 0.01, "num_elites": 64, "temperature": 0.5}
    assert {name: ours[name] for name in same} == same
    assert (ours["min_std"], ours["max_std"]) == (0.05, 2.0)


def test_there_is_one_preset() -> None:
    assert DEFAULT_PRESET == "paper" and {"paper": TDMPCConfig()} == PRESETS
    assert registry.agent("tdmpc").revision == 1


@pytest.mark.parametrize(
    ("task", "latent_dim", "lr", "batch_size", "iterations"),
    [
        ("cup-catch", 50, 1e-3, 512, 6),
        ("quadruped-run", 50, 1e-3, 512, 6),
        ("humanoid-walk", 100, 1e-3, 512, 12),
        ("dog-run", 100, 3e-4, 2048, 8),
        ("myo-reach", 50, 1e-3, 512, 6),  # 39 action dimensions, and no dog
        ("mw-reach", 50, 1e-3, 512, 6),
    ],
)
def test_dog_and_humanoid_have_settings_of_their_own(
    task: str, latent_dim: int, lr: float, batch_size: int, iterations: int
) -> None:
    config = TDMPCConfig().resolved(registry.task(task))
    found = (config.latent_dim, config.lr, config.batch_size, config.iterations)
    assert found == (latent_dim, lr, batch_size, iterations)
    assert (config.discount, config.seed_steps, config.episodic) == (0.99, 5000, False)


def test_nothing_is_left_open_on_any_task() -> None:
    large = set()
    for task in TASKS:
        config = TDMPCConfig().resolved(task)
        assert None not in asdict(config).values()
        large |= {task.name} if config.latent_dim == 100 else set()
    assert len(large) == 7 and all(name.startswith(("dog-", "humanoid-")) for name in large)
    names = [{f.name for f in fields(kind)} for kind in (ResolvedTDMPCConfig, TDMPCConfig)]
    assert names[0] == names[1]


def test_what_is_set_by_hand_is_kept() -> None:
    config = TDMPCConfig(lr=2e-3, batch_size=7, latent_dim=11, iterations=2, seed_steps=9)
    config = config.resolved(registry.task("dog-run"))
    assert (config.lr, config.batch_size, config.latent_dim) == (2e-3, 7, 11)
    assert (config.iterations, config.seed_steps) == (2, 9)


@pytest.mark.parametrize(
    ("agent_step", "horizon", "std"),
    [
        (0, 1, 0.5),
        (6_249, 1, 0.5 - 0.45 * 6_249 / 25_000),
        (6_250, 2, 0.3875),
        (12_500, 3, 0.275),
        (24_999, 4, 0.05 + 0.45 / 25_000),
        (25_000, 5, 0.05),
        (100_000, 5, 0.05),
    ],
)
def test_horizon_and_std_are_scheduled_over_25000_decisions(
    agent_step: int, horizon: int, std: float
) -> None:
    config = TDMPCConfig().resolved(registry.task("cup-catch"))
    found = config.search_at(agent_step)
    assert found == (horizon, pytest.approx(std, rel=1e-12))


def test_without_a_schedule_everything_is_there_at_once() -> None:
    config = TDMPCConfig(horizon=4, min_std=0.2).late()
    assert config == TDMPCConfig(horizon=4, min_std=0.2, schedule_steps=0)
    assert config.resolved(registry.task("cup-catch")).search_at(0) == (4, 0.2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 19}, "size=19: TD-MPC has one size; set enc_dim, mlp_dim, latent_dim"),
        ({"horizon_start": 6}, "horizon_start=6: expected 1 to horizon=5"),
        ({"horizon_start": 0}, "horizon_start=0"),
        ({"schedule_steps": -1}, "schedule_steps=-1"),
        ({"target_every": 0}, "target_every=0"),
        ({"momentum": 1.0}, "momentum=1.0"),
        ({"priority_alpha": 1.5}, "priority_alpha=1.5"),
        ({"importance_beta": -0.1}, "importance_beta=-0.1"),
        ({"actor_std": 0.0}, "actor_std=0.0"),
        ({"loss_clamp": 0.0}, "loss_clamp=0.0"),
        ({"num_q": 1}, "num_q=1"),
        ({"num_elites": 600}, "num_elites=600"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TDMPCConfig(**settings)


def test_an_episode_must_be_longer_than_the_horizon() -> None:
    task = registry.task("toy-point")  # 20 agent steps
    assert TDMPCConfig(horizon=19).resolved(task).horizon == 19
    with pytest.raises(UsageError, match="horizon=20: episodes of toy-point have 20 agent steps"):
        TDMPCConfig(horizon=20).resolved(task)


def test_a_latent_that_simplices_do_not_divide_is_refused_for_the_task() -> None:
    config = TDMPCConfig(latent_norm="simnorm")
    with pytest.raises(UsageError, match="expected a divisor of latent_dim=50"):
        config.resolved(registry.task("cup-catch"))
    assert TDMPCConfig(latent_norm="simnorm", simnorm_dim=10).resolved(registry.task("cup-catch"))


def test_a_policy_without_plans_explores_by_its_noise() -> None:
    """Unlike TD-MPC2's deterministic actor, which is refused."""
    assert TDMPCConfig(mpc=False).actor == "det"


def test_variants_are_named_by_what_they_change() -> None:
    def name(**overrides: Any) -> str:
        return variant.name(PRESETS, DEFAULT_PRESET, "paper", overrides)

    assert name() == "default"
    assert name(momentum=0.1, horizon=5) == "default"
    assert name(mpc=False, prioritised=False, momentum=0.0) == "momentum=0,mpc=off,prioritised=off"
    text = {"lr": "0.002", "batch_size": "1k", "q_judge": "mean", "target_encoder": "off"}
    assert variant.parse_overrides(TDMPCConfig, text, agent="tdmpc") == {
        "lr": 0.002, "batch_size": 1000, "q_judge": "mean", "target_encoder": False,
    }  # fmt: skip


def test_tdmpc2_has_no_setting_of_tdmpcs() -> None:
    """Its cells say all of their settings, and can be continued only under the same ones."""
    own = {f.name for f in fields(TDMPCConfig)} - {f.name for f in fields(TDMPC2Config)}
    assert {"momentum", "prioritised", "update_when"} <= own
    assert registry.agent("tdmpc2").revision == 2
