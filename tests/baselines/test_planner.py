"""One decision of the planner against loops over its samples, with the same random draws."""

from __future__ import annotations

from typing import Any

import plain
import pytest
import torch
from torch import Tensor

from tdmpc2_bench import registry
from tdmpc2_bench.baselines import kernels
from tdmpc2_bench.baselines.tdmpc2 import planner
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig, TDMPC2Config
from tdmpc2_bench.baselines.tdmpc2.planner import Plan, Planner
from tdmpc2_bench.baselines.tdmpc2.world_model import WorldModel


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Make the random inputs of a test the same in any order of the tests."""
    torch.manual_seed(0)


LANES, ENVS = 2, 2


def shaken(config: ResolvedConfig, size: float = 0.3) -> WorldModel:
    """Two lanes far from their start."""
    model = WorldModel(config, plain.TASK, [plain.generator(1), plain.generator(2)])
    plain.shake(model, 3, 4, size=size)
    return model


def observations(envs: int = ENVS) -> Tensor:
    return torch.randn(LANES, envs, 5)


def zero_mean(config: ResolvedConfig, envs: int = ENVS) -> Tensor:
    return torch.zeros(LANES, envs, config.horizon, 2)


def beginning(envs: int = ENVS) -> Tensor:
    return torch.ones(LANES, envs, dtype=torch.bool)


def close(actual: Tensor, expected: Tensor, atol: float = 1e-4) -> None:
    """Equal up to the rounding of single precision."""
    torch.testing.assert_close(actual.double(), expected.double(), rtol=1e-4, atol=atol)


def compare(
    model: WorldModel,
    config: ResolvedConfig,
    plan: Plan,
    inputs: tuple[Tensor, Tensor, Tensor],
    *,
    explore: bool,
    seed: int = 7,
) -> None:
    """Every environment of every lane must have decided as the reference does.

    Args:
        model: networks of the lanes.
        config: resolved settings.
        plan: what was decided.
        inputs: observations, previous means, where episodes begin.
        explore: as the planner was asked.
        seed: of the first lane's noise; the next lane's is one more.
    """
    obs, mean, first = inputs
    for i in range(LANES):
        lane = plain.Lane(model.state_dict(), config, i)
        envs = obs.shape[1]
        draws = plain.PlanDraws.of(config, envs, 2, plain.noise(seed + i))
        for k in range(envs):
            expected = plain.plan(
                lane, obs[i, k], mean[i, k], draws, k, first=bool(first[i, k]), explore=explore
            )
            close(plan.mean[i, k], expected.mean)
            close(plan.std[i, k], expected.std)
            close(plan.action[i, k], expected.action)
            assert plan.num_nan[i, k] == expected.num_nan


@pytest.mark.parametrize("kernel", ["torch", "packed"])
@pytest.mark.parametrize("explore", [True, False], ids=["explore", "evaluate"])
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"horizon": 1},
        {"horizon": 5, "num_samples": 9, "num_elites": 3},
        {"num_pi_trajs": 1},
        {"num_elites": 11, "temperature": 3.0},
        {"min_std": 0.4, "max_std": 0.6},
        {"actor": "det"},
        {"num_bins": 0},
        {"discount": 0.5, "dropout": 0.9},
        {"episodic": True, "horizon": 4, "max_std": 0.5},  # few actions at the bounds, so no ties
    ],
    ids=str,
)
def test_a_decision_equals_the_loops_over_its_samples(
    overrides: dict[str, Any],
    kernel: kernels.Kernel,
    monkeypatch: pytest.MonkeyPatch,
    *,
    explore: bool,
) -> None:
    """One environment begins an episode, one goes on from its previous plan."""
    monkeypatch.setattr(kernels, "_NARROW", 1)
    config = plain.resolved(**{"max_std": 2.0, **overrides})
    model, obs = shaken(config), observations()
    mean = torch.rand(LANES, ENVS, config.horizon, 2) * 2 - 1
    first = torch.tensor([True, False]).expand(LANES, ENVS)
    planner = Planner(model, config, kernel)
    plan = planner(obs, mean, first, plain.noise(7, 8), explore=explore)
    compare(model, config, plan, (obs, mean, first), explore=explore)


def test_the_next_decision_goes_on_from_the_mean_but_not_from_the_std() -> None:
    config = plain.resolved()
    model, later = shaken(config), ~beginning()
    plans = Planner(model, config)
    before = plans(observations(), zero_mean(config), beginning(), plain.noise(5, 6), explore=True)
    assert before.std.max() < config.max_std
    obs = observations()
    plan = plans(obs, before.mean, later, plain.noise(7, 8), explore=True)
    compare(model, config, plan, (obs, before.mean, later), explore=True)


def test_the_first_decision_of_an_episode_forgets_the_previous_plan() -> None:
    config = plain.resolved()
    plans, obs = Planner(shaken(config), config), observations()
    one, other = (
        plans(obs, mean, beginning(), plain.noise(7, 8), explore=True)
        for mean in (zero_mean(config), torch.rand(LANES, ENVS, config.horizon, 2))
    )
    assert torch.equal(one.action, other.action) and torch.equal(one.mean, other.mean)


def test_only_the_mean_shifted_by_one_step_is_remembered() -> None:
    """Row 0 of the previous mean is of no consequence: its time has passed."""
    config = plain.resolved()
    plans, obs = Planner(shaken(config), config), observations()
    mean = torch.rand(LANES, ENVS, config.horizon, 2)
    other = mean.clone()
    other[:, :, 0] = -0.9
    one, same = (
        plans(obs, m, ~beginning(), plain.noise(7, 8), explore=True) for m in (mean, other)
    )
    assert torch.equal(one.mean, same.mean)
    with_horizon_one = plain.resolved(horizon=1)
    plans = Planner(shaken(with_horizon_one), with_horizon_one)
    one, same = (
        plans(obs, mean[:, :, :1], first, plain.noise(7, 8), explore=True)
        for first in (beginning(), ~beginning())
    )
    assert torch.equal(one.mean, same.mean)


def test_actions_stay_inside_the_box_and_the_std_inside_its_range() -> None:
    config = plain.resolved(min_std=1.5)
    plans = Planner(shaken(config), config)
    plan = plans(
        observations(50), zero_mean(config, 50), beginning(50), plain.noise(7, 8), explore=True
    )
    assert plan.action.abs().max() == 1.0  # with noise this wide some are cut
    assert plan.mean.abs().max() < 1 + 1e-6
    assert plan.std.min() >= 1.5 and plan.std.max() <= 2.0


def test_evaluation_takes_an_elite_and_not_the_mean() -> None:
    config = plain.resolved()
    model, obs = shaken(config), observations()
    plan = Planner(model, config)(
        obs, zero_mean(config), beginning(), plain.noise(7, 8), explore=False
    )
    for i in range(LANES):
        lane = plain.Lane(model.state_dict(), config, i)
        draws = plain.PlanDraws.of(config, ENVS, 2, plain.noise(7 + i))
        for k in range(ENVS):
            elites = plain.plan(
                lane, obs[i, k], zero_mean(config)[i, k], draws, k, first=True, explore=False
            ).elites
            distances = [(elite - plan.action[i, k]).abs().max().item() for elite in elites]
            assert min(distances) < 1e-4
            assert (plan.mean[i, k, 0] - plan.action[i, k]).abs().max() > 1e-3


def test_an_elite_is_drawn_as_often_as_its_weight_says() -> None:
    weights = torch.tensor([0.5, 0.3, 0.2, 0.0]).expand(1, 20_000, 4)
    actions = torch.arange(4.0).view(1, 1, 4, 1).expand(1, 20_000, 4, 1)
    chosen = planner._draw(actions, weights, plain.noise(7))
    frequency = torch.bincount(chosen.flatten().long(), minlength=4) / 20_000
    close(frequency, weights[0, 0], atol=0.015)
    assert frequency[3] == 0


def test_values_that_are_no_numbers_count_as_zero_and_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second proposal of the policy breaks; with 0 it is the best, all others are below."""
    config = plain.resolved()
    model, obs = shaken(config), observations()
    breaking = []
    for i in range(LANES):
        lane = plain.Lane(model.state_dict(), config, i)
        eps = plain.PlanDraws.of(config, ENVS, 2, plain.noise(7 + i)).policy[0][:, 1]
        breaking.append(lane.policy(lane.encode(obs[i]), eps).action.detach())

    def rewards(_: Tensor, action: Tensor) -> Tensor:
        far = (action.unsqueeze(-2) - torch.cat(breaking)).abs().amax(-1) > 1e-4
        return torch.where(far.all(-1), -100 + 10 * action[..., 1], torch.nan)

    monkeypatch.setattr(model, "rewards", rewards)
    monkeypatch.setattr(plain.Lane, "reward", lambda _, z, action: rewards(z, action))
    mean, first = zero_mean(config), beginning()
    plan = Planner(model, config)(obs, mean, first, plain.noise(7, 8), explore=False)
    assert (plan.num_nan == config.iterations).all()
    close(plan.action, torch.stack(breaking))
    compare(model, config, plan, (obs, mean, first), explore=False)


@pytest.mark.parametrize(("logit", "counted"), [(1e-3, 1), (-1e-3, 3)])
def test_after_a_foreseen_end_nothing_counts_but_the_reward_that_led_to_it(
    logit: float, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every reward is 1 and every value 10; the model says the same of all latents' ends."""
    config = plain.resolved(episodic=True, horizon=3, discount=0.5, num_elites=11)
    model = shaken(config)
    monkeypatch.setattr(model, "end_logits", lambda z: torch.full(z.shape[:2], logit))
    monkeypatch.setattr(model, "rewards", lambda z, action: torch.ones(action.shape[:2]))
    monkeypatch.setattr(
        model, "values", lambda heads, z, action: torch.full((LANES, 2, z.shape[1]), 10.0)
    )
    planner = Planner(model, config)
    proposals = planner._follow_policy(model.encode(observations()), plain.noise(7, 8))
    values = planner._values(proposals, plain.noise(7, 8))
    rewards = sum(0.5**t for t in range(counted))
    last = 0.5**3 * 10 if counted == 3 else 0.0
    close(values, torch.full_like(values, rewards + last))


def test_planning_without_proposals_of_the_policy() -> None:
    config = plain.resolved(num_pi_trajs=0)
    model, obs = shaken(config), observations()
    mean, first = zero_mean(config), beginning()
    plan = Planner(model, config)(obs, mean, first, plain.noise(7, 8), explore=True)
    compare(model, config, plan, (obs, mean, first), explore=True)


@pytest.mark.parametrize("envs", [1, 2])
def test_planning_with_proposals_of_the_policy_alone(envs: int) -> None:
    config = plain.resolved(num_pi_trajs=11)
    model, obs = shaken(config), observations(envs)
    mean, first = zero_mean(config, envs), beginning(envs)
    plan = Planner(model, config)(obs, mean, first, plain.noise(7, 8), explore=True)
    compare(model, config, plan, (obs, mean, first), explore=True)


def test_planning_changes_no_weight_and_asks_for_no_gradient() -> None:
    config = plain.resolved()
    model = shaken(config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = Planner(model, config)(
        observations(), zero_mean(config), beginning(), plain.noise(7, 8), explore=True
    )
    assert not plan.action.requires_grad and not plan.mean.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_many_action_dimensions_get_two_more_iterations() -> None:
    """Humanoid has 21 dimensions and dog 38; quadruped, with 12, is the largest below 20."""
    for name, iterations in (("humanoid-run", 8), ("dog-run", 8), ("quadruped-run", 6)):
        assert TDMPC2Config().resolved(registry.task(name)).iterations == iterations
    assert TDMPC2Config(iterations=3).resolved(registry.task("dog-run")).iterations == 3


def test_the_horizon_is_followed_as_often_as_there_are_iterations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The policy's proposals are followed once, fresh samples once per iteration."""
    config = plain.resolved(iterations=7)
    model = shaken(config)
    calls = []
    original = model.next

    def counting(z: Tensor, action: Tensor) -> Tensor:
        calls.append(action.shape[1])
        return original(z, action)

    monkeypatch.setattr(model, "next", counting)
    Planner(model, config)(
        observations(), zero_mean(config), beginning(), plain.noise(7, 8), explore=True
    )
    assert calls == [ENVS * 3] * 3 + [ENVS * 8] * 3 * 7
