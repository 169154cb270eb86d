"""The networks: where they differ from stable-baselines3's, and that they do so nowhere else."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

import numpy as np
import plain
import pytest
import torch
from stable_baselines3 import SAC
from stable_baselines3.sac.policies import Actor
from torch import Tensor, nn

from tdmpc2_bench import registry
from tdmpc2_bench.agent import Step
from tdmpc2_bench.baselines.sac.agent import SoftActorCritic, build
from tdmpc2_bench.baselines.sac.config import (
    DEFAULT_PRESET,
    PRESETS,
    SACConfig,
    parameters,
)
from tdmpc2_bench.baselines.sac.policy import SquashedActor


def built(**settings: Any) -> SoftActorCritic:
    return build(dataclasses.replace(SACConfig(width=16), **settings), plain.TASK, [1])


def layers(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def with_constant_log_std(actor: Actor, raw: float) -> Tensor:
    nn.init.zeros_(actor.log_std.weight)
    nn.init.constant_(actor.log_std.bias, raw)
    _, log_std, _ = actor.get_action_dist_params(torch.zeros(1, plain.TASK.obs_dim))
    return log_std


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(0.0, -1.5), (50.0, 2.0), (-50.0, -5.0), (math.atanh(0.5), -5 + 7 * 0.75)],
)
def test_the_references_log_std_is_squashed_into_its_range(raw: float, expected: float) -> None:
    """-5 + 7 (tanh(raw) + 1) / 2, by hand."""
    actor = built()._model.actor
    assert isinstance(actor, SquashedActor)
    assert with_constant_log_std(actor, raw).tolist() == [pytest.approx([expected] * 2)]


@pytest.mark.parametrize(("raw", "expected"), [(0.0, 0.0), (50.0, 2.0), (-50.0, -20.0)])
def test_sb3s_log_std_is_cut(raw: float, expected: float) -> None:
    actor = built(log_std="clamp")._model.actor
    assert with_constant_log_std(actor, raw).tolist() == [[expected] * 2]


def gram(weight: Tensor) -> Tensor:
    """Of the rows, or of the columns where those are fewer."""
    return weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight


def test_the_reference_starts_with_orthogonal_weights_and_zero_biases() -> None:
    model = built()._model
    for layer in [*layers(model.actor), *layers(model.critic)]:
        product = gram(layer.weight)
        torch.testing.assert_close(product, torch.eye(len(product)), atol=1e-5, rtol=0)
        assert not layer.bias.any()


def test_mean_and_log_std_start_as_one_orthogonal_layer() -> None:
    """The reference computes them in one: so no row of one has a part in a row of the other."""
    actor = built()._model.actor
    product = actor.mu.weight @ actor.log_std.weight.T
    torch.testing.assert_close(product, torch.zeros(2, 2), atol=1e-5, rtol=0)


def test_torchs_own_start_is_not_orthogonal() -> None:
    model = built(init="torch")._model
    product = gram(layers(model.actor)[1].weight)
    assert (product - torch.eye(len(product))).abs().max() > 0.1
    assert layers(model.actor)[0].bias.any()


@pytest.mark.parametrize("init", ["orthogonal", "torch"])
def test_target_critics_start_as_copies(init: str) -> None:
    model = built(init=init)._model
    pairs = zip(model.critic.parameters(), model.critic_target.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    first, second = (layers(network)[0].weight for network in model.critic.q_networks)
    assert not torch.equal(first, second)


def test_an_update_moves_the_targets_by_tau() -> None:
    """Away from the critics as they were, towards the critics as they have become."""
    agent = built(tau=0.25, seed_steps=3, batch_size=4)
    before = [p.clone() for p in agent._model.critic_target.parameters()]
    plain_steps(agent, 4)
    agent.update()
    critic = list(agent._model.critic.parameters())
    target = list(agent._model.critic_target.parameters())
    for old, new, moved in zip(before, critic, target, strict=True):
        torch.testing.assert_close(moved, 0.75 * old + 0.25 * new)
    assert any(not torch.equal(old, new) for old, new in zip(before, critic, strict=True))


def plain_steps(agent: SoftActorCritic, count: int) -> None:
    """Experience of no meaning."""
    rng = np.random.default_rng(0)
    for t in range(count + 1):
        agent.observe(plain_step(rng, first=t == 0))


def plain_step(rng: np.random.Generator, *, first: bool) -> Any:
    no = np.array([False])
    return Step(
        obs=rng.standard_normal((1, plain.TASK.obs_dim)).astype(np.float32),
        action=rng.uniform(-1, 1, (1, plain.TASK.action_dim)).astype(np.float32),
        reward=rng.standard_normal(1).astype(np.float32),
        first=np.array([first]),
        terminated=no,
        truncated=no,
        active=~no,
    )


def test_the_temperature_starts_as_set_and_aims_at_minus_the_number_of_actions() -> None:
    for preset, start in (("reference", 0.1), ("sb3", 1.0)):
        config = dataclasses.replace(PRESETS[preset], width=16)
        agent = build(config, plain.TASK, [1])
        assert agent._temperature.exp().item() == pytest.approx(start)
        assert agent._model.target_entropy == -plain.TASK.action_dim


def test_the_default_preset_is_the_reference() -> None:
    """pytorch_sac's settings, with the batch of TD-MPC2's runs; see docs/agents/sac.md."""
    assert PRESETS[DEFAULT_PRESET] is PRESETS["reference"]
    assert dataclasses.asdict(PRESETS["reference"]) == {
        "width": 1024, "hidden_layers": 2, "init": "orthogonal", "log_std": "tanh", "lr": 1e-4,
        "temperature": 0.1, "batch_size": 512, "tau": 0.0025, "discount": 0.99,
        "capacity": 1_000_000, "seed_steps": 5_000,
    }  # fmt: skip
    assert (1 - PRESETS["reference"].tau) ** 2 == pytest.approx(1 - 0.005, abs=1e-5)


def test_the_preset_sb3_is_sb3s_own_settings() -> None:
    """As its constructor and its policy have them, so that a new version cannot change them."""
    own = {name: parameter.default for name, parameter in inspect.signature(SAC).parameters.items()}
    preset = PRESETS["sb3"]
    assert (own["learning_rate"], own["batch_size"], own["tau"], own["gamma"]) == (
        preset.lr,
        preset.batch_size,
        preset.tau,
        preset.discount,
    )
    assert (own["learning_starts"], own["buffer_size"]) == (preset.seed_steps, preset.capacity)
    assert (own["ent_coef"], own["target_entropy"], own["train_freq"]) == ("auto", "auto", 1)
    model = build(preset, plain.TASK, [1])._model
    assert model.actor.net_arch == [256, 256] and len(model.critic.q_networks) == 2
    assert type(model.actor) is Actor


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("task", ["toy-point", "walker-walk"])
@pytest.mark.parametrize("width", [32, 256])
def test_parameters_are_those_that_the_built_agent_learns(
    preset: str, task: str, width: int
) -> None:
    config, row = dataclasses.replace(PRESETS[preset], width=width), registry.task(task)
    agent = build(config, row, [1])
    learnt = [
        parameter
        for optimizer in agent._optimizers().values()
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert parameters(config, row) == sum(parameter.numel() for parameter in learnt)
