"""TD-MPC's networks and losses: small numbers by hand, then the plain reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import plain
import plain_tdmpc
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tdmpc2_bench import registry
from tdmpc2_bench.baselines import nets
from tdmpc2_bench.baselines.tdmpc import losses
from tdmpc2_bench.baselines.tdmpc.config import TDMPCConfig, parameters
from tdmpc2_bench.baselines.tdmpc.world_model import TDMPCModel
from tdmpc2_bench.baselines.tdmpc2.losses import Batch
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Make the random inputs of a test the same in any order of the tests."""
    torch.manual_seed(0)


def built(*, shaken: bool = True, **overrides: Any) -> TDMPCModel:
    """One lane; away from its start, where every value would be 0, targets unlike the rest."""
    model = TDMPCModel(plain_tdmpc.resolved(**overrides), plain.TASK, [plain.generator(1)])
    if shaken:
        plain.shake(model, 3)
    return model


def close(actual: Tensor, expected: Tensor, *, rtol: float = 2e-4, atol: float = 2e-5) -> None:
    """Equal up to the rounding of single precision."""
    torch.testing.assert_close(actual.double(), expected.double(), rtol=rtol, atol=atol)


# Networks


def trained(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def test_the_default_model_has_the_hand_counted_parameters() -> None:
    """Walker, 24 observations and 6 actions, latents of 50; LayerNorm in the Q-heads alone."""
    task = registry.task("walker-run")
    with torch.device("meta"):
        model = TDMPCModel(TDMPCConfig().resolved(task), task, [torch.Generator()])
    block = 512 * 512 + 512
    assert trained(model.encoder) == (24 * 256 + 256) + (256 * 50 + 50)
    assert trained(model.dynamics) == (56 * 512 + 512) + block + (512 * 50 + 50)
    assert trained(model.reward) == (56 * 512 + 512) + block + (512 + 1)
    assert trained(model.policy) == (50 * 512 + 512) + block + (512 * 6 + 6)
    assert trained(model.q) == 2 * ((56 * 512 + 3 * 512) + block + (512 + 1))
    assert trained(model) == 19_250 + 317_490 + 292_353 + 291_846 + 586_754
    assert trained(model.target_encoder) == trained(model.target_q) == 0


def test_a_q_head_is_linear_layer_norm_tanh_linear_elu_linear() -> None:
    """Against PyTorch's own layers."""
    model = built()
    z, action = torch.randn(1, 7, 16), torch.rand(1, 7, 2)
    first, second, last = (
        nn.Linear(18, 16), nn.Linear(16, 16), nn.Linear(16, 1),
    )  # fmt: skip
    norm = nn.LayerNorm(16)
    head = nn.Sequential(first, norm, nn.Tanh(), second, nn.ELU(), last)
    values = model.q(z.unsqueeze(1), action.unsqueeze(1))
    for i in range(2):
        with torch.no_grad():
            for layer, linear in zip(model.q.layers(), (first, second, last), strict=True):
                linear.weight.copy_(layer.weight[0, i].T)
                linear.bias.copy_(layer.bias[0, i, 0])
            of_norm = model.q.layers()[0]
            assert of_norm.scale is not None and of_norm.shift is not None
            norm.weight.copy_(of_norm.scale[0, i, 0])
            norm.bias.copy_(of_norm.shift[0, i, 0])
        close(values[0, i], head(torch.cat([z[0], action[0]], -1)))


@pytest.mark.parametrize("name", ["encoder", "dynamics", "reward", "policy"])
def test_all_other_networks_are_linear_and_elu_alone(name: str) -> None:
    network = getattr(built(), name)
    assert not any("scale" in key for key, _ in network.named_parameters())
    *hidden, last = network.layers()
    x = torch.randn(1, 7, hidden[0].weight.shape[1])
    y = x[0]
    for layer in hidden:
        y = functional.elu(y @ layer.weight[0] + layer.bias[0])
    close(network(x)[0], y @ last.weight[0] + last.bias[0])


def test_weights_start_orthogonal_and_reward_and_values_at_zero() -> None:
    """Rows or columns, whichever are fewer, are orthonormal, in every head by itself."""
    model = built(shaken=False, mlp_dim=24)
    for name, parameter in model.named_parameters():
        if "bias" in name or "shift" in name:
            assert not parameter.any(), name
        elif "scale" in name:
            assert (parameter == 1).all(), name
        elif name.startswith(("reward.weight_2", "q.weight_2", "target_q.weight_2")):
            assert not parameter.any(), name
        else:
            for matrix in parameter.flatten(0, -3):
                small = matrix if matrix.shape[0] < matrix.shape[1] else matrix.T
                close(small @ small.T, torch.eye(len(small)), atol=1e-5)
    first = model.q.layers()[0].weight
    assert not torch.equal(first[0, 0], first[0, 1])
    z, action = model.encode(torch.randn(1, 6, 5)), torch.rand(1, 6, 2)
    assert not model.rewards(z, action).any()
    assert not model.q(z.unsqueeze(1), action.unsqueeze(1)).any()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [({"init": "normal"}, 0.02), ({"act": "mish"}, 0.0), ({"q_block": "plain"}, 0.0)],
    ids=str,
)
def test_every_switch_of_the_networks_switches(overrides: dict[str, Any], expected: float) -> None:
    model, usual = built(shaken=False, **overrides), built(shaken=False)
    if expected:
        assert model.dynamics.layers()[1].weight.std().item() == pytest.approx(expected, rel=0.2)
    norms = {name for name, _ in model.q.named_parameters() if "scale" in name}
    assert norms == (set() if "q_block" in overrides else {"scale_0"})
    for one in (model, usual):
        plain.shake(one, 3)
    z, action = torch.randn(1, 1, 7, 16), torch.rand(1, 1, 7, 2)
    assert not torch.equal(model.q(z, action), usual.q(z, action))


def test_activations_and_norms_may_differ_by_layer() -> None:
    mlp = nets.MLP([3, 4, 5, 2], (1,), norm=(False, True), act=(torch.relu, torch.sin))
    plain.shake(mlp, 1)
    with torch.no_grad():
        for name, parameter in mlp.named_parameters():
            parameter.copy_(torch.randn_like(parameter))
            assert name in {"weight_0", "bias_0", "weight_1", "bias_1", "scale_1", "shift_1",
                            "weight_2", "bias_2"}  # fmt: skip
    first, second, last = mlp.layers()
    assert second.scale is not None and second.shift is not None
    x = torch.randn(1, 6, 3)
    y = torch.relu(x[0] @ first.weight[0] + first.bias[0])
    y = functional.layer_norm(y @ second.weight[0] + second.bias[0], (5,))
    y = torch.sin(y * second.scale[0] + second.shift[0])
    close(mlp(x)[0], y @ last.weight[0] + last.bias[0])


# The actor


def aimed(mean: float, **overrides: Any) -> TDMPCModel:
    """A policy whose mean action is everywhere the same."""
    model = built(**overrides)
    with torch.no_grad():
        model.policy.get_parameter("weight_2").zero_()
        model.policy.get_parameter("bias_2").fill_(float(np.arctanh(mean)))
    return model


def test_the_actor_adds_clipped_noise_to_its_mean() -> None:
    model = aimed(0.2)
    sample = model.noisy(torch.randn(1, 40_000, 16), plain.noise(5), 0.5)
    eps = plain.noise(5).normal(40_000, 2)
    close(sample.action, 0.2 + (0.5 * eps).clamp(-0.3, 0.3))
    least, most = sample.action.aminmax()
    close(torch.stack([least, most]), torch.tensor([-0.1, 0.5]))
    close(sample.mean, torch.full_like(sample.mean, 0.2))
    usual = model.act(torch.randn(1, 40_000, 16), plain.noise(5))
    assert (usual.action - 0.2).std().item() == pytest.approx(0.05, rel=0.01)


def test_the_actor_stays_in_the_box_while_gradients_pass() -> None:
    model = aimed(0.95)
    sample = model.noisy(torch.randn(1, 500, 16), plain.noise(5), 0.5)
    assert sample.action.max() == 1.0 and (sample.action == 1.0).any()
    sample.action.sum().backward()
    grad = model.policy.get_parameter("bias_2").grad
    assert grad is not None
    close(grad, torch.full_like(grad, 500 * (1 - 0.95**2)), rtol=1e-3)


def test_a_maximum_entropy_actor_is_tdmpc2s() -> None:
    model = built(actor="maxent")
    assert model.policy.layers()[-1].bias.shape[-1] == 4
    sample = model.act(torch.randn(1, 6, 16), plain.noise(5))
    assert (sample.log_std != sample.log_std[0, 0, 0]).any()


# Targets


def test_the_whole_average_moves_a_hundredth_of_the_way() -> None:
    """Encoder and Q-heads: nothing else of it is used."""
    model = built()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.update_target()
    for name, value in model.state_dict().items():
        kind, _, parameter = name.partition(".")
        if kind in {"target_q", "target_encoder"}:
            online = before[f"{kind.removeprefix('target_')}.{parameter}"]
            assert not torch.equal(online, before[name])
            close(value, before[name] + 0.01 * (online - before[name]))
        else:
            assert torch.equal(value, before[name])


# Losses


def test_losses_are_sums_over_time() -> None:
    """1 + 0.5 x 2 + 0.25 x 4 and 10 + 0.5 x 20 + 0.25 x 40."""
    steps = torch.tensor([[[1.0, 10], [2, 20], [4, 40]]])
    assert losses.over_time(steps, 0.5).tolist() == [[3.0, 30.0]]


def batch_of(reward: Tensor, obs: Tensor | None = None) -> Batch:
    """Sub-sequences with such rewards (1, H, batch)."""
    _, horizon, size = reward.shape
    obs = torch.randn(1, horizon + 1, size, 5) if obs is None else obs
    return Batch(obs, torch.rand(1, horizon, size, 2), reward, None)


def flat(**overrides: Any) -> TDMPCModel:
    """Rewards are foreseen as 0; two heads say 3 and 5, their targets 2 and 4."""
    settings: dict[str, Any] = {"horizon": 2, "discount": 0.5, "consistency_coef": 0.0}
    model = built(shaken=False, **{**settings, **overrides})
    with torch.no_grad():
        model.q.get_parameter("bias_2").copy_(torch.tensor([3.0, 5.0]).view(1, 2, 1, 1))
        model.target_q.get_parameter("bias_2").copy_(torch.tensor([2.0, 4.0]).view(1, 2, 1, 1))
    return model


def loss_of(
    model: TDMPCModel, batch: Batch, importance: Tensor | None = None
) -> tuple[float, dict[str, float], list[float]]:
    """Total, parts and priorities."""
    importance = torch.ones(1, batch.reward.shape[2]) if importance is None else importance
    loss, surprise = losses.model_loss(model, model._config, batch, importance, plain.noise(7))
    parts = {name: value.item() for name, value in loss.parts.items()}
    return loss.total.item(), parts, surprise[0].tolist()


def test_model_loss_priorities_and_weights_by_hand() -> None:
    """H = 2, gamma = rho = 1/2; the smaller target head says 2, so y = r + 1.

    First row, r = (1, 3): y = (2, 4). Reward 1 + 9/2 = 5.5. Value (1 + 9) + (1 + 1)/2 = 11.
    Priority (1 + 3) + (1 + 1)/2 = 5. Second row, r = (0, 0): y = (1, 1). Reward 0. Value
    (4 + 16)(1 + 1/2) = 30. Priority (2 + 4)(1 + 1/2) = 9.
    """
    batch = batch_of(torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]))
    total, parts, priorities = loss_of(flat(), batch)
    assert parts["reward_loss"] == pytest.approx(5.5 / 2)
    assert parts["value_loss"] == pytest.approx((11 + 30) / 2)
    assert priorities == pytest.approx([5, 9])
    one, other = 0.5 * 5.5 + 0.1 * 11, 0.1 * 30
    assert total == pytest.approx((one + other) / 2 / 2)  # the mean, over the horizon
    total, _, priorities = loss_of(flat(), batch, torch.tensor([[1.0, 0.25]]))
    assert total == pytest.approx((one + 0.25 * other) / 2 / 2)
    assert priorities == pytest.approx([5, 9])  # not weighted


def test_every_term_of_a_sub_sequence_is_clamped_by_itself() -> None:
    """At 20: value 30 counts as 20, reward 5.5 as it is, in its own row; priority 9 as 8."""
    batch = batch_of(torch.tensor([[[1.0, 0.0], [3.0, 0.0]]]))
    total, parts, _ = loss_of(flat(loss_clamp=20.0), batch)
    assert parts["value_loss"] == pytest.approx((11 + 20) / 2)
    assert total == pytest.approx((0.5 * 5.5 + 0.1 * 11 + 0.1 * 20) / 2 / 2)
    assert loss_of(flat(loss_clamp=8.0), batch)[2] == pytest.approx([5, 8])
    huge = batch_of(torch.tensor([[[1e4, 0.0], [0.0, 0.0]]]))
    assert loss_of(flat(), huge)[1]["reward_loss"] == pytest.approx(1e4 / 2)


def test_a_clamped_term_teaches_nothing() -> None:
    model = flat(loss_clamp=20.0)
    batch = batch_of(torch.tensor([[[0.0], [0.0]]]))
    loss, _ = losses.model_loss(model, model._config, batch, torch.ones(1, 1), plain.noise(7))
    loss.total.sum().backward()
    grad = model.q.get_parameter("bias_2").grad
    assert grad is not None and not grad.any()


def test_consistency_is_with_the_target_encoder_and_values_with_the_online_one() -> None:
    """Either can be told from the other once the two differ."""
    model = built(horizon=2)
    batch = batch_of(torch.randn(1, 2, 6))
    before = loss_of(model, batch)[1]
    with torch.no_grad():
        for parameter in model.target_encoder.parameters():
            parameter.mul_(0.5)
    after = loss_of(model, batch)[1]
    assert after["consistency_loss"] != pytest.approx(before["consistency_loss"])
    assert after["value_loss"] == before["value_loss"]
    without = built(horizon=2, target_encoder=False)
    lane = plain_tdmpc.Lane(without.state_dict(), without._config)
    obs, action = batch.obs[0], batch.action[0]
    z = [lane.encode(obs[0])]
    z += [z1 := lane.next(z[0], action[0]), lane.next(z1, action[1])]
    errors = [((z[t] - lane.encode(obs[t])) ** 2).mean() for t in (1, 2)]
    expected = (errors[0] + 0.5 * errors[1]).item()
    assert loss_of(without, batch)[1]["consistency_loss"] == pytest.approx(expected, rel=1e-4)


def test_the_encoder_learns_from_the_first_observation_alone() -> None:
    model = built()
    batch = batch_of(torch.randn(1, 3, 6))
    obs = batch.obs.requires_grad_()
    loss, _ = losses.model_loss(model, model._config, batch, torch.ones(1, 6), plain.noise(7))
    loss.total.sum().backward()
    assert obs.grad is not None
    assert (obs.grad[:, 0] != 0).any() and not obs.grad[:, 1:].any()
    for parameter in (*model.target_encoder.parameters(), *model.policy.parameters()):
        assert parameter.grad is None


def test_policy_loss_is_a_weighted_sum_of_values() -> None:
    """H = 1: -(mean(2, 6) + mean(10, 14)/2), divided by nothing."""
    config = plain_tdmpc.resolved(horizon=1)
    empty = torch.zeros(1, 4, 2)
    sample = PolicySample(empty, empty, empty, empty)
    q = torch.tensor([[2.0, 6.0, 10.0, 14.0]])
    assert losses.policy_loss(config, sample, q).tolist() == [-(4 + 12 / 2)]
    entropic = dataclasses.replace(config, actor="maxent", entropy_coef=0.1, entropy="gaussian")
    expected = -(4 + 12 / 2) - 0.1 * 2 * 2 * 0.9189385 * 1.5
    close(losses.policy_loss(entropic, sample, q), torch.tensor([expected]))


def test_ends_of_episodes_are_learned_where_a_task_has_them() -> None:
    """The loss of ends is added once, and nothing follows an end."""
    model = built(horizon=2, episodic=True, termination_coef=2.0)
    ends = torch.tensor([[[0.0, 0, 0], [1, 0, 1]]])
    batch = batch_of(torch.randn(1, 2, 3))._replace(terminated=ends)
    with_ends, parts, _ = loss_of(model, batch)
    without, others, _ = loss_of(model, batch._replace(terminated=torch.zeros_like(ends)))
    assert parts["termination_loss"] > 0
    assert parts["value_loss"] != pytest.approx(others["value_loss"])
    config = model._config
    for total, found in ((with_ends, parts), (without, others)):
        weighed = sum(
            getattr(config, f"{name}_coef") * found[f"{name}_loss"]
            for name in ("consistency", "reward", "value", "termination")
        )
        assert total == pytest.approx(weighed / 2, rel=1e-4)


@pytest.mark.parametrize(
    "overrides",
    [{"latent_norm": "simnorm", "norm": "ln"}, {"num_bins": 101}, {"num_bins": 1}, {"num_q": 5},
     {"dropout": 0.3}, {"actor": "maxent"}],
    ids=str,
)  # fmt: skip
def test_each_change_that_made_tdmpc2_can_be_made_alone(overrides: dict[str, Any]) -> None:
    model = built(**overrides)
    total, parts, priorities = loss_of(model, batch_of(torch.randn(1, 3, 6)))
    assert np.isfinite([total, *parts.values(), *priorities]).all()
    assert total != loss_of(built(), batch_of(torch.randn(1, 3, 6)))[0]


@pytest.mark.parametrize(
    "overrides",
    [{}, {"q_block": "plain"}, {"norm": "ln"}, {"norm": "ln", "q_block": "plain"},
     {"actor": "maxent"}, {"num_q": 3}],
    ids=str,
)  # fmt: skip
def test_parameters_are_counted_as_they_are_built(overrides: dict[str, Any]) -> None:
    model = built(**overrides)
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    config = plain_tdmpc.tiny(**overrides)
    assert parameters(config, plain.TASK) == learnt
