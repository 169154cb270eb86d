"""The agent: its schedule, what a batch holds, one update by hand, and what it remembers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import plain
import pytest
import torch
from states import equal
from torch import Tensor

from tdmpc2_bench import checkpoint
from tdmpc2_bench.agent import FloatArray, Step
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.sac.agent import SoftActorCritic, build
from tdmpc2_bench.baselines.sac.config import SACConfig
from tdmpc2_bench.errors import UsageError

EPISODE = 7  # agent steps of plain.TASK
SEED_STEPS = 4


def built(**overrides: Any) -> SoftActorCritic:
    settings = {"width": 16, "batch_size": 8, "seed_steps": SEED_STEPS, "lr": 1e-2, **overrides}
    return build(SACConfig(**settings), plain.TASK, [1])


class World:
    """A loop of our own: random observations and rewards, every third episode ends for good."""

    def __init__(self, agent: SoftActorCritic) -> None:
        """Begin the first episode."""
        self.agent = agent
        self.rng = np.random.default_rng(99)
        self.carry: Noise = agent.carry(1, [np.random.default_rng(1)])
        self.agent_steps = 0
        self.actions: list[FloatArray] = []
        self.transitions: list[tuple[FloatArray, ...]] = []  # obs, action, reward, next, end
        self._reset()

    def _reset(self) -> None:
        self.obs = self.rng.standard_normal((1, 5)).astype(np.float32)
        self._observe(np.zeros((1, 2), np.float32), 0.0, first=True)

    def _observe(self, action: FloatArray, reward: float, **flags: bool) -> None:
        names = ("first", "terminated", "truncated")
        given = {name: np.array([flags.get(name, False)]) for name in names}
        rewards = np.array([reward], np.float32)
        active = np.array([True])
        self.agent.observe(
            Step(obs=self.obs, action=action, reward=rewards, active=active, **given)
        )

    def step(self) -> None:
        """Take one agent step, and reset after the last of an episode."""
        obs = self.obs
        first = np.zeros((1, 1), np.bool_)
        action, self.carry, _ = self.agent.act(obs[:, None], self.carry, first=first, mode="train")
        self.actions.append(action[:, 0])
        self.agent_steps += 1
        over = self.agent_steps % EPISODE == 0
        ends = over and self.agent_steps // EPISODE % 3 == 0
        self.obs = self.rng.standard_normal((1, 5)).astype(np.float32)
        reward = float(self.agent_steps)  # tells which transition it is
        self._observe(action[:, 0], reward, terminated=ends, truncated=over and not ends)
        self.transitions.append(
            (obs[0], action[0, 0], np.float32(reward), self.obs[0], np.float32(ends))
        )
        if over:
            self._reset()

    def steps(self, count: int, *, learn: bool = False) -> None:
        """Take steps, and learn what they make due."""
        for _ in range(count):
            self.step()
            while learn and self.agent.updates_due():
                self.agent.update()


# Schedule


def test_no_update_is_due_while_seeding_and_then_one_per_decision() -> None:
    """No burst makes up for the seeding."""
    world, due = World(built()), []
    for _ in range(SEED_STEPS + 3):
        world.step()
        due.append(world.agent.updates_due())
    assert due == [0] * SEED_STEPS + [1, 2, 3]
    world.agent.update()
    assert world.agent.updates_due() == 2


def test_actions_are_uniform_while_seeding_and_then_the_policys() -> None:
    world = World(built())
    world.steps(SEED_STEPS)
    rng = torch.Generator().manual_seed(int(np.random.default_rng(1).integers(2**63)))
    random = [torch.rand(1, 2, generator=rng) * 2 - 1 for _ in range(SEED_STEPS)]
    np.testing.assert_array_equal(np.stack(world.actions), torch.stack(random).numpy())
    obs = torch.from_numpy(world.obs)
    world.step()
    mean, log_std, _ = world.agent._model.actor.get_action_dist_params(obs)
    expected = torch.tanh(mean + log_std.exp() * torch.randn(1, 2, generator=rng))
    np.testing.assert_allclose(world.actions[-1], expected.detach().numpy(), atol=1e-6)


def test_the_mean_action_needs_no_noise_and_is_sb3s_own() -> None:
    agent = built()
    obs = np.random.default_rng(0).standard_normal((1, 3, 5)).astype(np.float32)
    carry = agent.carry(3, [np.random.default_rng(1)])
    before = agent.carry_state(carry)
    action, _, _ = agent.act(obs, carry, first=np.ones((1, 3), np.bool_), mode="mean")
    own, _ = agent._model.policy.predict(obs[0], deterministic=True)
    np.testing.assert_allclose(action[0], own, atol=1e-6)
    assert equal(agent.carry_state(carry), before)


# What is learnt from


def test_a_batch_holds_steps_as_they_were() -> None:
    """The time limit is no end: ``done`` is 1 where the task itself ended, and only there."""
    world = World(built())
    world.steps(5 * EPISODE + 3)
    batch = world.agent._buffer.sample(2_000)
    seen = set()
    for obs, action, reward, after, done in zip(
        batch.observations, batch.actions, batch.rewards, batch.next_observations, batch.dones,
        strict=True,
    ):  # fmt: skip
        number = int(reward.item()) - 1
        seen.add(number)
        for actual, expected in zip(
            (obs, action, reward[0], after, done[0]), world.transitions[number], strict=True
        ):
            np.testing.assert_array_equal(actual.numpy(), expected)
    assert seen == set(range(5 * EPISODE + 3))  # the episode in progress too
    ends = {number for number in seen if world.transitions[number][-1]}
    assert ends == {3 * EPISODE - 1}


def test_one_update_is_the_methods() -> None:
    """Losses and new values of one batch, written out beside SB3's."""
    agent = built(discount=0.9, temperature=0.5)
    World(agent).steps(3 * EPISODE + 1)
    frozen = copy.deepcopy(agent._model.policy)
    expected = _losses(agent, frozen)
    actual = agent.update()
    for name, value in expected.items():
        assert actual[name].tolist() == [pytest.approx(value.item(), rel=1e-4)], name
    # Adam's first step is lr in every direction whose gradient is not 0.
    moved = (agent._model.critic.state_dict()["qf0.0.weight"] - frozen.critic.qf0[0].weight).abs()
    assert moved.max().item() == pytest.approx(1e-2, rel=1e-3)


def _losses(agent: SoftActorCritic, policy: Any) -> dict[str, Tensor]:
    """Of the critic and the temperature, from the draws that the next update will make."""
    draws = copy.deepcopy(agent._buffer.draws)
    rows = agent._buffer.stream.draw_steps(draws, 8)
    batch = agent._buffer._get_samples(rows)
    noise = agent._global.state()
    with agent._global.lent():
        normals = [torch.randn(8, 2) for _ in range(2)]
    agent._global.load_state(noise)

    def sample(obs: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std, _ = policy.actor.get_action_dist_params(obs)
        u = mean + log_std.exp() * normal
        log_prob = -0.5 * normal.square() - log_std - 0.5 * np.log(2 * np.pi)
        action = torch.tanh(u)
        return action, (log_prob - torch.log(1 - action.square() + 1e-6)).sum(1)

    def values(critic: Any, obs: Tensor, action: Tensor) -> list[Tensor]:
        x = torch.cat([obs, action], 1)
        return [network(x)[:, 0] for network in critic.q_networks]

    _, log_prob = sample(batch.observations, normals[0])
    after, log_prob_after = sample(batch.next_observations, normals[1])
    least = torch.minimum(*values(policy.critic_target, batch.next_observations, after))
    soft = least - 0.5 * log_prob_after
    target = batch.rewards[:, 0] + 0.9 * (1 - batch.dones[:, 0]) * soft
    errors = [q - target for q in values(policy.critic, batch.observations, batch.actions)]
    return {
        "critic_loss": 0.5 * sum(error.square().mean() for error in errors),
        "temperature_loss": -(np.log(0.5) * (log_prob - 2).mean()),
        "temperature": torch.tensor(0.5),
    }


# Remembering


def continued(world: World, path: Path, **overrides: Any) -> World:
    """A new agent in the same place, by way of a checkpoint's files."""
    for name, data in checkpoint.encode({"agent": world.agent.state()[0]}).items():
        (path / name).write_bytes(data)
    agent, stream = built(**overrides), world.agent.replays[0]
    rows = stream.rows(stream.oldest_row, stream.rows_written)
    agent.replays[0].load([rows], first_row=stream.oldest_row)
    agent.load_state([checkpoint.decode(path)["agent"]])
    other = World.__new__(World)
    vars(other).update(vars(world))
    other.agent, other.actions, other.transitions = agent, [], []
    other.rng = copy.deepcopy(world.rng)
    other.carry = agent.load_carry(copy.deepcopy(world.agent.carry_state(world.carry)))
    return other


@pytest.mark.parametrize(
    ("steps", "updates"), [(2, 0), (SEED_STEPS + 1, 0), (SEED_STEPS + 3, 2), (60, 56), (63, 30)]
)
def test_a_restored_agent_goes_on_bit_for_bit(tmp_path: Path, steps: int, updates: int) -> None:
    """While seeding, owing, in mid-episode, and once the ring has overwritten its first rows."""
    world = World(built(capacity=25))
    world.steps(steps)
    for _ in range(updates):
        world.agent.update()
    other = continued(world, tmp_path, capacity=25)
    torch.manual_seed(123)  # what others do with the global generator is nothing to it
    for one in (world, other):
        one.actions = []
        one.steps(2 * EPISODE, learn=True)
        torch.randn(3)
    assert equal(world.agent.state(), other.agent.state())
    assert equal(world.actions, other.actions)
    assert equal(world.agent.carry_state(world.carry), other.agent.carry_state(other.carry))


def test_a_state_keeps_no_part_of_the_living_agent() -> None:
    world = World(built())
    world.steps(SEED_STEPS + 2, learn=True)
    state, again = world.agent.state(), world.agent.state()
    world.steps(2, learn=True)
    assert equal(state, again) and not equal(state, world.agent.state())


def test_a_state_takes_the_place_of_whatever_the_agent_had_learned() -> None:
    """The state of an agent that never learned, too: no moments of Adam may stay behind."""
    world = World(built())
    world.steps(SEED_STEPS + 1)
    beginning = world.agent.state()
    world.agent.update()
    world.agent.load_state(beginning)
    assert equal(world.agent.state(), beginning)


def test_learning_leaves_the_global_generator_as_it_was() -> None:
    world = World(built())
    world.steps(SEED_STEPS + 1)
    before = torch.get_rng_state()
    world.agent.update()
    built()
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluations_leave_training_as_it_was() -> None:
    world = World(built())
    world.steps(SEED_STEPS + 2, learn=True)
    agent = world.agent
    state, carry_state = agent.state(), agent.carry_state(world.carry)
    obs = np.random.default_rng(0).standard_normal((1, 4, 5)).astype(np.float32)
    for mode in agent.modes:
        carry = agent.carry(4, [np.random.default_rng(1)])
        for _ in range(2):
            first = np.ones((1, 4), np.bool_)
            action, carry, _ = agent.act(obs, carry, first=first, mode=mode)
        assert action.shape == (1, 4, 2) and np.abs(action).max() <= 1
    assert equal(agent.state(), state)
    assert equal(agent.carry_state(world.carry), carry_state)


@pytest.mark.parametrize("mode", ["mean", "sample"])
def test_exported_weights_give_the_same_actions(mode: str) -> None:
    world = World(built())
    world.steps(SEED_STEPS + 4, learn=True)
    reader = build(SACConfig(width=16), plain.TASK, [8])
    obs = np.random.default_rng(0).standard_normal((1, 3, 5)).astype(np.float32)

    def action(one: SoftActorCritic) -> FloatArray:
        carry = one.carry(3, [np.random.default_rng(5)])
        return one.act(obs, carry, first=np.ones((1, 3), np.bool_), mode=mode)[0]

    assert not np.array_equal(action(reader), action(world.agent))
    reader.load_weights(world.agent.export())
    assert np.array_equal(action(reader), action(world.agent))


def test_seeds_differ_and_repeat() -> None:
    one, other, again = (build(SACConfig(width=8), plain.TASK, [seed]) for seed in (1, 2, 1))
    assert equal(one.state(), again.state())
    assert not equal(one.export(), other.export())


def test_more_seeds_than_one_are_refused() -> None:
    with pytest.raises(UsageError, match="one seed per process"):
        build(SACConfig(width=8), plain.TASK, [1, 2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width=0: expected at least 1"),
        ({"seed_steps": 0}, "seed_steps=0"),
        ({"lr": 0.0}, "lr=0.0: expected a number above 0"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"capacity": 1}, "capacity=1"),
        ({"tau": 0.0}, "tau=0.0"),
        ({"discount": 1.0}, "discount=1.0"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SACConfig(**settings)
