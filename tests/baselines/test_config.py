"""The settings are the paper's table, and tasks differ by three stated rules alone."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from tdmpc2_bench import registry
from tdmpc2_bench.baselines.tdmpc2.config import (
    DEFAULT_PRESET,
    PRESETS,
    SIZES,
    ResolvedConfig,
    TDMPC2Config,
)
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

TASKS = registry.tasks()
BY_TASK = {"discount", "seed_steps", "iterations", "episodic"}


def test_the_defaults_are_those_of_the_method() -> None:
    """Section 1 of the method's description, symbol by symbol."""
    assert asdict(TDMPC2Config()) == {
        "size": 5,
        "enc_dim": None,
        "mlp_dim": None,
        "latent_dim": None,
        "enc_layers": None,
        "num_q": None,
        "simnorm_dim": 8,
        "latent_norm": "simnorm",
        "norm": "ln",
        "dropout": 0.01,
        "num_bins": 101,
        "bin_limit": 10.0,
        "log_std_min": -10.0,
        "log_std_max": 2.0,
        "horizon": 3,
        "batch_size": 256,
        "rho": 0.5,
        "consistency_coef": 20.0,
        "reward_coef": 0.1,
        "value_coef": 0.1,
        "lr": 3e-4,
        "enc_lr_scale": 0.3,
        "grad_clip_norm": 20.0,
        "tau": 0.01,
        "actor": "maxent",
        "entropy_coef": 1e-4,
        "entropy": "squashed",
        "episodic": None,
        "termination_coef": 1.0,
        "capacity": 1_000_000,
        "discount": None,
        "seed_steps": None,
        "mpc": True,
        "iterations": None,
        "num_samples": 512,
        "num_elites": 64,
        "num_pi_trajs": 24,
        "temperature": 0.5,
        "min_std": 0.05,
        "plan_dtype": "float32",
        "max_std": 2.0,
    }


@pytest.mark.parametrize(
    ("size", "widths"),
    [
        (1, (256, 384, 128, 2, 2)),
        (5, (256, 512, 512, 2, 5)),
        (19, (1024, 1024, 768, 3, 5)),
        (48, (1792, 1792, 768, 4, 5)),
        (317, (4096, 4096, 1376, 5, 8)),
    ],
)
def test_sizes_are_those_of_the_table(size: int, widths: tuple[int, ...]) -> None:
    names = ("enc_dim", "mlp_dim", "latent_dim", "enc_layers", "num_q")
    assert SIZES[size] == dict(zip(names, widths, strict=True))


def test_the_presets_differ_in_the_entropy_term_alone() -> None:
    assert DEFAULT_PRESET == "paper"
    assert set(PRESETS) == {"paper", "head"}
    paper, head = asdict(PRESETS["paper"]), asdict(PRESETS["head"])
    assert paper == asdict(TDMPC2Config())
    assert {name: value for name, value in head.items() if value != paper[name]} == {
        "entropy": "gaussian"
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_tasks_differ_in_what_follows_from_them_alone(preset: str) -> None:
    assert len(TASKS) == 104
    common = []
    for task in TASKS:
        settings = asdict(PRESETS[preset].resolved(task))
        assert None not in settings.values()
        common.append({name: value for name, value in settings.items() if name not in BY_TASK})
    assert all(settings == common[0] for settings in common)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_what_follows_from_the_task_follows_the_methods_rules(task: Task, preset: str) -> None:
    """Section 7: gamma = clip((L/5 - 1) / (L/5), 0.95, 0.995), L in agent steps."""
    config = PRESETS[preset].resolved(task)
    expected = {  # suite: gamma, random agent steps
        "dmcontrol": (0.99, 2500),
        "metaworld": (0.95, 1000),
        "maniskill2": (0.95, 1000),
        "myosuite": (0.95, 1000),
    }[task.suite]
    assert (config.discount, config.seed_steps) == pytest.approx(expected)
    assert config.iterations == (8 if task.action_dim >= 20 else 6)
    assert not config.episodic and not task.terminates


def test_iterations_rise_at_twenty_action_dimensions() -> None:
    large = {task.name for task in TASKS if PRESETS["paper"].resolved(task).iterations == 8}
    assert {"dog-run", "humanoid-walk", "myo-reach"} <= large
    assert not {"quadruped-run", "walker-run", "assembly"} & large


def test_a_horizon_longer_than_an_episode_is_refused() -> None:
    task = registry.task("toy-point")  # 20 agent steps
    assert TDMPC2Config(horizon=20).resolved(task).horizon == 20
    with pytest.raises(UsageError, match="horizon=21: episodes of toy-point have 20 agent steps"):
        TDMPC2Config(horizon=21).resolved(task)


def test_what_is_set_by_hand_is_kept() -> None:
    by_hand = TDMPC2Config(size=1, num_q=3, discount=0.9, seed_steps=7, iterations=2)
    config = by_hand.resolved(registry.task("dog-run"))
    assert (config.num_q, config.latent_dim) == (3, 128)
    assert (config.discount, config.seed_steps, config.iterations) == (0.9, 7, 2)
    assert by_hand.expanded().discount == 0.9 and TDMPC2Config().expanded().discount is None


def test_a_resolved_config_has_the_fields_of_an_open_one() -> None:
    assert {f.name for f in fields(ResolvedConfig)} == {f.name for f in fields(TDMPC2Config)}
