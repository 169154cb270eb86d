"""The two losses: small numbers by hand, then values and gradients of the plain reference."""

from __future__ import annotations

import math
from typing import Any

import plain
import pytest
import torch
from torch import Tensor

from tdmpc2_bench.baselines.tdmpc2 import losses
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample, WorldModel


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Make the random inputs of a test the same in any order of the tests."""
    torch.manual_seed(0)


LANES, BATCH = 2, 6

SETTINGS: list[dict[str, Any]] = [
    {},
    {"dropout": 0.0},
    {"rho": 0.8, "consistency_coef": 3.0, "reward_coef": 0.7, "value_coef": 1.3},
    {"horizon": 1},
    {"horizon": 5, "num_q": 2},
    {"num_bins": 1},
    {"num_bins": 0},
    {"actor": "det"},
    {"norm": "none", "latent_norm": "none"},
    {"bin_limit": 2.0},
    {"discount": 0.5},
    {"episodic": True, "termination_coef": 3.0, "horizon": 2},
]


def shaken(config: ResolvedConfig) -> WorldModel:
    """Two lanes far from their start, target heads unlike the online ones."""
    model = WorldModel(config, plain.TASK, [plain.generator(1), plain.generator(2)])
    plain.shake(model, 3, 4)
    return model


def random_batch(config: ResolvedConfig) -> losses.Batch:
    horizon = config.horizon
    ends = torch.zeros(LANES, horizon, BATCH)
    ends[:, -1, ::2] = 1.0
    return losses.Batch(
        torch.randn(LANES, horizon + 1, BATCH, 5),
        torch.rand(LANES, horizon, BATCH, 2) * 2 - 1,
        torch.randn(LANES, horizon, BATCH) * 3,
        ends if config.episodic else None,
    )


def latents(config: ResolvedConfig) -> Tensor:
    """Simplices as a rollout would give, (lanes, H + 1, batch, latent_dim)."""
    raw = torch.randn(LANES, config.horizon + 1, BATCH, 2, 8)
    return raw.softmax(-1).flatten(-2)


def close(actual: Tensor, expected: Tensor, *, rtol: float = 2e-4, atol: float = 2e-5) -> None:
    """Equal up to the rounding of single precision."""
    torch.testing.assert_close(actual.double(), expected.double(), rtol=rtol, atol=atol)


# By hand


def test_model_losses_average_over_h_and_the_policy_loss_over_h_plus_one() -> None:
    device = torch.device("cpu")
    close(losses.rho_weights(0.5, 3, device), torch.tensor([1 / 3, 1 / 6, 1 / 12]))
    close(losses.rho_weights(0.5, 4, device), torch.tensor([1 / 4, 1 / 8, 1 / 16, 1 / 32]))


def hand_sample() -> PolicySample:
    """One row, two action dimensions; sum(-0.5 eps^2 - log_std) = -0.5 + 1 - 2 - 0.5 = -2."""
    return PolicySample(
        action=torch.tensor([[[0.5, 0.0]]]),
        mean=torch.zeros(1, 1, 2),
        log_std=torch.tensor([[[-1.0, 0.5]]]),
        eps=torch.tensor([[[1.0, 2.0]]]),
    )


def test_squashed_entropy_scales_the_density_but_not_the_tanh_correction() -> None:
    """-(2 (-2 - 0.9189385) - ln 0.75 - ln 1): the constant is counted once."""
    entropy = losses.scaled_entropy(plain.resolved(entropy="squashed"), hand_sample())
    close(entropy, torch.tensor([[2 * 2.9189385 - 0.2876821]]), atol=5e-6)


def test_gaussian_entropy_has_no_tanh_correction() -> None:
    """-2 (-2 - 2 x 0.9189385)."""
    entropy = losses.scaled_entropy(plain.resolved(entropy="gaussian"), hand_sample())
    close(entropy, torch.tensor([[7.6757540]]), atol=5e-6)


def test_a_saturated_action_has_a_finite_entropy() -> None:
    """ln(relu(1 - 1) + 1e-6) = -13.8155."""
    sample = hand_sample()._replace(action=torch.tensor([[[1.0, 0.0]]]))
    entropy = losses.scaled_entropy(plain.resolved(entropy="squashed"), sample)
    close(entropy, torch.tensor([[5.837877 - 13.8155106]]), atol=5e-6)


def test_policy_loss_weighs_time_by_rho_and_divides_values_by_the_scale() -> None:
    """H = 1, batch 2, S = 2: q/S = (1, 3) then (5, 7); -(2 + 6/2) / 2 - alpha entropy terms."""
    config = plain.resolved(horizon=1, entropy_coef=0.1, entropy="gaussian")
    sample = PolicySample(*(part.expand(1, 4, 2) for part in hand_sample()))
    q, scale = torch.tensor([[2.0, 6.0, 10.0, 14.0]]), torch.tensor([2.0])
    expected = -(2 + 0.5 * 6) / 2 - 0.1 * 7.675754 * (1 + 0.5) / 2
    close(losses.policy_loss(config, sample, q, scale), torch.tensor([expected]))


def test_a_deterministic_actor_earns_no_entropy() -> None:
    config = plain.resolved(horizon=1, entropy_coef=0.1, actor="det")
    sample = PolicySample(*(part.expand(1, 4, 2) for part in hand_sample()))
    q = torch.tensor([[2.0, 6.0, 10.0, 14.0]])
    close(losses.policy_loss(config, sample, q, torch.tensor([2.0])), torch.tensor([-2.5]))


def constant_heads() -> tuple[ResolvedConfig, WorldModel]:
    """One lane without bins: online heads say 30, 10, 20, 50, target heads 3, 1, 2, 5."""
    config = plain.resolved(num_bins=0, discount=0.5)
    model = WorldModel(config, plain.TASK, [plain.generator(1)])
    online = torch.tensor([30.0, 10.0, 20.0, 50.0]).view(1, 4, 1, 1)
    with torch.no_grad():
        model.q.get_parameter("bias_2").copy_(online)
        model.target_q.get_parameter("bias_2").copy_(online / 10)
    return config, model


def test_targets_take_the_smaller_of_two_target_heads() -> None:
    """Of the pairs of 3, 1, 2, 5 the minimum is 1 in three, 2 in two, 3 in one of six."""
    config, model = constant_heads()
    reward = torch.tensor([[[10.0, 20.0]]])
    noise, counts = plain.noise(5), {1.0: 0, 2.0: 0, 3.0: 0}
    batch = losses.Batch(torch.zeros(0), torch.zeros(0), reward, None)
    for _ in range(300):
        y = losses.td_targets(model, config, batch, torch.rand(1, 1, 2, 16), noise)
        smaller = (y - reward) / 0.5
        close(smaller, smaller[0, 0, 0].expand(1, 1, 2))  # one pair for the whole batch
        counts[round(smaller[0, 0, 0].item(), 4)] += 1
    assert counts[1.0] == pytest.approx(150, abs=35)
    assert counts[2.0] == pytest.approx(100, abs=35)
    assert counts[3.0] == pytest.approx(50, abs=30)


def test_the_policy_is_judged_by_the_mean_of_two_online_heads() -> None:
    """Of the pairs of 30, 10, 20, 50 the means are 20, 25, 40, 15, 30, 35."""
    config, model = constant_heads()
    noise, seen = plain.noise(5), set()
    for _ in range(100):
        q = losses.policy_values(model, config, torch.rand(1, 3, 16), torch.rand(1, 3, 2), noise)
        close(q, q[0, 0].expand(1, 3))
        seen.add(round(q[0, 0].item(), 3))
    assert seen == {20.0, 25.0, 40.0, 15.0, 30.0, 35.0}


# Against the reference


@pytest.mark.parametrize("overrides", SETTINGS, ids=str)
def test_model_loss_and_its_gradient_equal_the_plain_ones(overrides: dict[str, Any]) -> None:
    config = plain.resolved(**overrides)
    model, batch = shaken(config), random_batch(config)
    loss = losses.model_loss(model, config, batch, plain.noise(7, 8))
    loss.total.sum().backward()
    for i in range(LANES):
        lane = plain.Lane(model.state_dict(), config, i)
        ends = None if batch.terminated is None else batch.terminated[i]
        expected = lane.model_loss(
            batch.obs[i], batch.action[i], batch.reward[i], plain.noise(7 + i), ends
        )
        close(loss.total[i], expected.total)
        for part in ("consistency", "reward", "value"):
            close(loss.parts[f"{part}_loss"][i], getattr(expected, part))
        for part, value in expected.termination.items():
            close(loss.parts[part][i], value)
        close(loss.z[i], torch.stack(expected.z))
        assert not loss.z.requires_grad
        expected.total.backward()
        for name, parameter in model.named_parameters():
            grad, plain_grad = parameter.grad, lane.weights[name].grad
            if name.startswith(("policy.", "target_q.")):
                assert grad is None and plain_grad is None
            else:
                assert grad is not None and plain_grad is not None
                close(grad[i], plain_grad, atol=1e-4 * plain_grad.abs().max().item())


@pytest.mark.parametrize("entropy", ["squashed", "gaussian"])
@pytest.mark.parametrize("overrides", SETTINGS, ids=str)
def test_policy_loss_and_its_gradient_equal_the_plain_ones(
    overrides: dict[str, Any], entropy: str
) -> None:
    config = plain.resolved(**{"entropy_coef": 0.05, "entropy": entropy, **overrides})
    model, z = shaken(config), latents(config)
    with torch.no_grad():  # near +-1, single precision does not resolve the log of 1 - a^2
        model.policy.get_parameter("bias_2")[..., 2:] -= 0.3
        model.policy.get_parameter("weight_2").mul_(0.3)
    lanes = [plain.Lane(model.state_dict(), config, i) for i in range(LANES)]
    expected = [
        lane.policy_loss(list(z[i].double()), 1.7, plain.noise(7 + i))
        for i, lane in enumerate(lanes)
    ]
    scale = torch.tensor([updated for _, updated in expected])
    noise = plain.noise(7, 8)
    sample = model.act(z.flatten(1, 2), noise)
    q = losses.policy_values(model, config, z.flatten(1, 2), sample.action, noise)
    loss = losses.policy_loss(config, sample, q, scale)
    loss.sum().backward()
    for i, lane in enumerate(lanes):
        close(loss[i], expected[i][0])
        grads = torch.autograd.grad(expected[i][0], lane.of("policy"))
        for parameter, grad in zip(model.policy.parameters(), grads, strict=True):
            assert parameter.grad is not None
            close(parameter.grad[i], grad, atol=1e-4 * grad.abs().max().item() + 1e-9)
    for name, parameter in model.named_parameters():
        assert name.startswith("policy.") or parameter.grad is None


@pytest.mark.parametrize("entropy", ["squashed", "gaussian"])
def test_the_entropy_coefficient_changes_the_policy_loss(entropy: str) -> None:
    small, large = (plain.resolved(entropy=entropy, entropy_coef=c) for c in (1e-4, 0.5))
    sample = PolicySample(*(part.expand(1, 8, 2) for part in hand_sample()))
    q, scale = torch.zeros(1, 8), torch.ones(1)
    difference = losses.policy_loss(small, sample, q, scale) - losses.policy_loss(
        large, sample, q, scale
    )
    weight = (1 + 0.5 + 0.25 + 0.125) / 4
    close(difference, (0.5 - 1e-4) * weight * losses.scaled_entropy(large, sample)[:, 0])


# What gradients and dropout may touch


def test_the_encoder_learns_from_the_first_observation_alone() -> None:
    config = plain.resolved()
    model, batch = shaken(config), random_batch(config)
    obs = batch.obs.requires_grad_()
    loss = losses.model_loss(model, config, batch, plain.noise(7, 8))
    loss.parts["consistency_loss"].sum().backward()
    assert obs.grad is not None
    assert (obs.grad[:, 0] != 0).any()
    assert not obs.grad[:, 1:].any()


def test_targets_are_constants_without_dropout() -> None:
    config, other = plain.resolved(dropout=0.0), plain.resolved(dropout=0.9)
    model = shaken(config)
    arguments = random_batch(config), latents(config)[:, 1:]
    y = losses.td_targets(model, config, *arguments, plain.noise(7, 8))
    assert not y.requires_grad
    assert torch.equal(y, losses.td_targets(model, other, *arguments, plain.noise(7, 8)))


# Ends of episodes


def test_nothing_follows_a_step_that_ended_its_episode() -> None:
    config = plain.resolved(episodic=True)
    model, batch, z = shaken(config), random_batch(config), latents(config)[:, 1:]
    assert batch.terminated is not None
    y = losses.td_targets(model, config, batch, z, plain.noise(7, 8))
    ended = batch.terminated > 0
    assert ended.any() and torch.equal(y[ended], batch.reward[ended])
    without = batch._replace(terminated=None)
    other = losses.td_targets(model, config, without, z, plain.noise(7, 8))
    assert torch.equal(y[~ended], other[~ended])
    assert not torch.isclose(y[ended], other[ended]).any()


def test_termination_is_scored_at_the_last_step_alone() -> None:
    """Two lanes of H = 2 and three rows: hits, misses and false alarms counted by hand."""
    logits = torch.tensor(
        [[[9.0, 9, 9], [1, -1, 1]], [[9, 9, 9], [-1, -1, -1]]]
    )  # hit, miss, alarm
    ends = torch.tensor([[[0.0, 0, 0], [1, 1, 0]], [[0, 0, 0], [0, 0, 0]]])
    found = losses.termination_parts(logits, ends)
    close(found["termination_recall"], torch.tensor([1 / 2, 1.0]))
    close(found["termination_f1"], torch.tensor([2 * 1 / (2 + 2), 1.0]))
    alarm = 9 + math.log1p(math.exp(-9.0))  # cross-entropy of a sure and false claim
    hit, miss = math.log1p(math.exp(-1.0)), 1 + math.log1p(math.exp(-1.0))
    expected = [(3 * alarm + hit + miss + miss) / 6, (3 * alarm + 3 * hit) / 6]
    close(found["termination_loss"], torch.tensor(expected))


def test_dropout_is_its_own_in_every_head_and_row() -> None:
    config = plain.resolved(dropout=0.25)
    drop = losses.dropout(config, plain.noise(7, 8), 4, 500)
    assert drop is not None
    keep = drop(torch.ones(2, 4, 500, 16))
    close((keep == 0).double().mean((2, 3)), torch.full((2, 4), 0.25), rtol=0.1)
    assert not torch.equal(keep[0, 0], keep[0, 1])
    assert not torch.equal(keep[0, 0], keep[1, 0])
    assert not torch.equal(keep[0, 0, 0], keep[0, 0, 1])
    assert losses.dropout(plain.resolved(dropout=0.0), plain.noise(7), 4, 5) is None
