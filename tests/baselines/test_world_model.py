"""The networks: their sizes, their start, and that every part computes what the method says."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import plain
import pytest
import torch
from torch import Tensor, nn

from tdmpc2_bench import registry
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config, parameters
from tdmpc2_bench.baselines.tdmpc2.world_model import WorldModel
from tdmpc2_bench.task import Task


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Make the random inputs of a test the same in any order of the tests."""
    torch.manual_seed(0)


def trained(network: nn.Module) -> int:
    """Number of learnable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def counted(size: Any, obs_dim: int, action_dim: int) -> WorldModel:
    """A model that takes no memory, for its shapes alone."""
    task = dataclasses.replace(registry.task("walker-run"), obs_dim=obs_dim, action_dim=action_dim)
    generator = torch.Generator()
    with torch.device("meta"):
        return WorldModel(TDMPC2Config(size=size).resolved(task), task, [generator])


@pytest.fixture
def model() -> WorldModel:
    """Two lanes, as they start."""
    return WorldModel(plain.resolved(), plain.TASK, [plain.generator(1), plain.generator(2)])


def test_parts_of_the_default_model_have_the_hand_counted_parameters() -> None:
    """Walker, 24 observations and 6 actions: inputs x outputs + biases + 2 per LayerNorm entry."""
    model = counted(5, 24, 6)
    latent_block = 512 * 512 + 3 * 512
    head = (518 * 512 + 3 * 512) + latent_block + (512 * 101 + 101)
    assert trained(model.encoder) == (24 * 256 + 3 * 256) + (256 * 512 + 3 * 512) == 139_520
    assert trained(model.dynamics) == (518 * 512 + 3 * 512) + 2 * latent_block == 794_112
    assert trained(model.reward) == head == 582_245
    assert trained(model.policy) == 2 * latent_block + (512 * 12 + 12) == 533_516
    assert trained(model.q) == 5 * head == 2_911_225
    assert trained(model.target_q) == 0


@pytest.mark.parametrize(
    ("size", "obs_dim", "action_dim", "count"),
    [
        (1, 223, 38, 1_339_387),  # dog, all sizes
        (5, 223, 38, 5_159_082),
        (19, 223, 38, 18_561_194),
        (48, 223, 38, 48_081_066),
        (317, 223, 38, 314_983_449),
        (5, 24, 6, 4_960_618),  # walker
        (5, 17, 6, 4_958_826),  # cheetah
        (5, 67, 21, 5_040_776),  # humanoid
        (5, 39, 4, 4_955_238),  # Meta-World
        (5, 8, 3, 4_942_692),  # reacher-three
        (5, 3, 1, 4_932_192),  # pendulum
    ],
)
def test_models_have_the_published_number_of_parameters(
    size: int, obs_dim: int, action_dim: int, count: int
) -> None:
    assert trained(counted(size, obs_dim, action_dim)) == count
    task = dataclasses.replace(registry.task("walker-run"), obs_dim=obs_dim, action_dim=action_dim)
    assert parameters(TDMPC2Config(size=size), task) == count


@pytest.mark.parametrize(
    "settings",
    [{"norm": "none"}, {"num_bins": 0}, {"episodic": True}, {"latent_norm": "none"}, {"num_q": 2}],
    ids=str,
)
def test_parameters_are_those_of_the_built_model_with_other_settings(
    settings: dict[str, Any],
) -> None:
    config = plain.tiny(**settings)
    built = WorldModel(config.resolved(plain.TASK), plain.TASK, [plain.generator(1)])
    assert parameters(config, plain.TASK) == trained(built)


def test_every_reward_and_value_is_exactly_zero_before_the_first_update(model: WorldModel) -> None:
    """All logits are 0, in every head alike; the decoded value up to the rounding of 101 terms."""
    z, action = model.encode(torch.randn(2, 6, 5)), torch.rand(2, 6, 2)
    for q in (model.q, model.target_q):
        assert not q(z.unsqueeze(1), action.unsqueeze(1)).any()
    assert not model.reward(z, action).any()
    every_head = torch.arange(4).expand(2, 4)
    assert model.values(model.q.heads(every_head), z, action).abs().max() < 1e-5
    assert model.rewards(z, action).abs().max() < 1e-5


@pytest.mark.parametrize("num_bins", [1, 0])
def test_values_without_bins_are_exactly_zero_before_the_first_update(num_bins: int) -> None:
    model = WorldModel(plain.resolved(num_bins=num_bins), plain.TASK, [plain.generator(1)])
    z, action = model.encode(torch.randn(1, 6, 5)), torch.rand(1, 6, 2)
    assert not model.rewards(z, action).any()
    assert not model.values(model.q.heads(torch.tensor([[3, 1]])), z, action).any()


def test_a_termination_head_shifts_no_other_weight_and_does_not_start_at_zero() -> None:
    without, episodic = (
        WorldModel(plain.resolved(episodic=flag), plain.TASK, [plain.generator(1)])
        for flag in (False, True)
    )
    found = episodic.state_dict()
    assert all(torch.equal(found.pop(name), w) for name, w in without.state_dict().items())
    assert {name.split(".")[0] for name in found} == {"termination"}
    sizes = [16 * 16 + 3 * 16, 16 * 16 + 3 * 16, 16 + 1]  # weights, bias, norm; the last is plain
    assert sum(w.numel() for w in found.values()) == sum(sizes)
    assert episodic.end_logits(torch.rand(1, 3, 16)).abs().min() > 0


def test_policy_and_dynamics_do_not_start_at_zero(model: WorldModel) -> None:
    z = model.encode(torch.randn(2, 6, 5))
    assert model.policy(z).std() > 1e-3
    assert model.next(z, torch.rand(2, 6, 2)).std() > 1e-3
    for network in (model.policy, model.dynamics):
        assert network.get_parameter("weight_2").all()


def test_heads_have_their_own_weights_and_the_target_copies_them(model: WorldModel) -> None:
    first, *_ = model.q.layers()
    assert not torch.equal(first.weight[0, 0], first.weight[0, 1])
    for online, target in zip(model.q.parameters(), model.target_q.parameters(), strict=True):
        assert torch.equal(online, target)
        assert online.data_ptr() != target.data_ptr()
        assert online.requires_grad and not target.requires_grad


def test_a_lane_starts_alike_whatever_stands_beside_it(model: WorldModel) -> None:
    alone = WorldModel(plain.resolved(), plain.TASK, [plain.generator(2)])
    for together, single in zip(model.parameters(), alone.parameters(), strict=True):
        assert torch.equal(together[1], single[0])


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"latent_norm": "none"},
        {"norm": "none"},
        {"norm": "none", "latent_norm": "none"},
        {"simnorm_dim": 4},
        {"enc_layers": 1},
        {"enc_layers": 4},
        {"num_bins": 1},
        {"num_bins": 0},
    ],
    ids=str,
)
def test_every_network_equals_the_plain_one(overrides: dict[str, Any]) -> None:
    config = plain.resolved(**overrides)
    model = WorldModel(config, plain.TASK, [plain.generator(1), plain.generator(2)])
    plain.shake(model, 3, 4)
    obs, action = torch.randn(2, 6, 5), torch.rand(2, 6, 2) * 2 - 1
    eps = plain.noise(5, 6).normal(6, 2)
    z = model.encode(obs)
    pair = torch.tensor([[3, 0], [1, 2]])
    for i in range(2):
        lane = plain.Lane(model.state_dict(), config, i)
        z_i = lane.encode(obs[i])
        close(z[i], z_i)
        close(model.next(z, action)[i], lane.next(z_i, action[i]))
        close(model.rewards(z, action)[i], lane.reward(z_i, action[i]))
        for name, values in (
            ("q", model.values(model.q.heads(pair), z, action)),
            ("target_q", model.values(model.target_q.heads(pair), z, action)),
        ):
            for k in range(2):
                logits = lane.q(name, int(pair[i, k]), z_i, action[i])
                close(values[i, k], lane.decode(logits))
        sample, expected = model.act(z, plain.noise(5, 6)), lane.policy(z_i, eps[i])
        for part in ("action", "mean", "log_std", "eps"):
            close(getattr(sample, part)[i], getattr(expected, part))


def test_latents_are_simplices_of_eight(model: WorldModel) -> None:
    plain.shake(model, 3, 4)
    z = model.encode(torch.randn(2, 6, 5))
    for latent in (z, model.next(z, torch.rand(2, 6, 2))):
        assert ((latent > 0) & (latent < 1)).all()
        assert latent.shape == (2, 6, 16)
        for start in (0, 8):
            close(latent[..., start : start + 8].sum(-1), torch.ones(2, 6))


def test_without_latent_norm_the_latent_is_the_layer_norm_itself() -> None:
    """SimNorm alone goes; at the start LayerNorm's scale is 1 and its shift 0."""
    model = WorldModel(plain.resolved(latent_norm="none"), plain.TASK, [plain.generator(1)])
    z = model.encode(torch.randn(1, 6, 5) * 100)
    close(z.mean(-1), torch.zeros(1, 6), atol=1e-5)
    close(z.square().mean(-1), torch.ones(1, 6), rtol=2e-2)


def test_without_norm_no_network_has_a_layer_norm() -> None:
    model = WorldModel(plain.resolved(norm="none"), plain.TASK, [plain.generator(1)])
    names = {name.split(".")[1].split("_")[0] for name, _ in model.named_parameters()}
    assert names == {"weight", "bias"}
    z = model.encode(torch.randn(1, 6, 5))  # SimNorm stays
    close(z[..., :8].sum(-1), torch.ones(1, 6))


@pytest.mark.parametrize(("raw", "log_std"), [(-50.0, -10.0), (0.0, -4.0), (50.0, 2.0)])
def test_log_std_lies_between_minus_ten_and_two(
    model: WorldModel, raw: float, log_std: float
) -> None:
    with torch.no_grad():
        model.policy.get_parameter("weight_2").zero_()
        model.policy.get_parameter("bias_2").copy_(torch.tensor([0.3, -0.7, raw, raw]))
    sample = model.act(torch.rand(2, 3, 16), plain.noise(7, 8))
    close(sample.log_std, torch.full((2, 3, 2), log_std))
    mean = torch.tensor([0.3, -0.7])
    close(sample.mean, torch.tanh(mean).expand(2, 3, 2))
    eps = plain.noise(7, 8).normal(3, 2)
    close(sample.action, torch.tanh(mean + eps * torch.tensor(log_std).exp()))


def test_the_deterministic_actor_takes_its_mean_and_draws_nothing() -> None:
    model = WorldModel(plain.resolved(actor="det"), plain.TASK, [plain.generator(1)])
    plain.shake(model, 3)
    noise: Noise = plain.noise(5)
    sample = model.act(torch.rand(1, 3, 16), noise)
    assert torch.equal(sample.action, sample.mean)
    assert torch.equal(noise.normal(4), plain.noise(5).normal(4))


def test_targets_move_a_hundredth_of_the_way(model: WorldModel) -> None:
    plain.shake(model, 3, 4)
    online = [p.detach().clone() for p in model.q.parameters()]
    before = [p.clone() for p in model.target_q.parameters()]
    model.update_target()
    for target, old, q in zip(model.target_q.parameters(), before, online, strict=True):
        close(target, old + 0.01 * (q - old))
    for p, q in zip(model.q.parameters(), online, strict=True):
        assert torch.equal(p, q)


def test_forward_passes_change_no_weight(model: WorldModel) -> None:
    plain.shake(model, 3, 4)
    before = copy.deepcopy(model.state_dict())
    z = model.encode(torch.randn(2, 6, 5))
    model.rewards(model.next(z, torch.rand(2, 6, 2)), model.act(z, plain.noise(1, 2)).action)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_size_of_the_benchmarks_models_follows_from_the_tasks_row() -> None:
    task: Task = registry.task("humanoid-run")
    with torch.device("meta"):
        model = WorldModel(TDMPC2Config().resolved(task), task, [torch.Generator("cpu")] * 3)
    assert trained(model) == 3 * 5_040_776


def close(actual: Tensor, expected: Tensor, *, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Equal up to the rounding of single precision."""
    torch.testing.assert_close(actual.double(), expected.double(), rtol=rtol, atol=atol)
