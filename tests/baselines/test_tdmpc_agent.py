"""TD-MPC, the agent: its schedules, whole updates against the plain ones, what it remembers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import plain
import plain_tdmpc
import pytest
import torch
from numpy.typing import NDArray
from states import equal

from tdmpc2_bench import registry
from tdmpc2_bench.agent import FloatArray, Step
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.prioritised import PrioritisedReplay
from tdmpc2_bench.baselines.tdmpc.agent import TDMPC, build
from tdmpc2_bench.baselines.tdmpc2.planner import Planner, Search
from tdmpc2_bench.errors import UsageError

EPISODE = 7  # agent steps of plain.TASK
SEED_STEPS = 18  # of the tiny settings: the third episode, which ends at 21, is the last random one


def built(**overrides: Any) -> TDMPC:
    """A tiny agent away from its start, where every value would be 0 and all plans tied."""
    agent = build(plain_tdmpc.tiny(**overrides), plain.TASK, [1])
    rng = np.random.default_rng(1)
    shaken = {
        name: (value + 0.3 * rng.standard_normal(value.shape)).astype(np.float32)
        for name, value in agent.export()[0].items()
        if value.dtype == np.float32
    }
    agent.load_weights([{**agent.export()[0], **shaken}])
    return agent


class World:
    """A loop of our own: random observations and rewards."""

    def __init__(self, agent: TDMPC) -> None:
        """Begin the first episode."""
        self.agent, self.rng = agent, np.random.default_rng(99)
        self.carry = agent.carry(1, [np.random.default_rng(1)])
        self.agent_steps = 0
        self.actions: list[FloatArray] = []
        self._reset()

    def _reset(self) -> None:
        self.first = True
        self._observe(np.zeros((1, 2), np.float32), over=False)

    def _observe(self, action: FloatArray, *, over: bool) -> None:
        self.obs = self.rng.standard_normal((1, 5)).astype(np.float32)
        flag = np.ones(1, np.bool_)
        step = Step(
            obs=self.obs,
            action=action,
            reward=self.rng.standard_normal(1).astype(np.float32) * (not self.first),
            first=flag & self.first,
            terminated=~flag,
            truncated=flag & over,
            active=flag,
        )
        self.agent.observe(step)

    def step(self) -> None:
        """Take one agent step, and reset after the last of an episode."""
        first = np.full((1, 1), self.first)
        action, self.carry, _ = self.agent.act(
            self.obs[:, None], self.carry, first=first, mode="train"
        )
        self.first = False
        self.actions.append(action[:, 0])
        self.agent_steps += 1
        over = self.agent_steps % EPISODE == 0
        self._observe(action[:, 0], over=over)
        if over:
            self._reset()

    def steps(self, count: int) -> None:
        """Take steps without any update."""
        for _ in range(count):
            self.step()

    def pay(self) -> int:
        """Pay all that is owed; how many updates that were."""
        count = 0
        while self.agent.updates_due():
            self.agent.update()
            count += 1
        return count


# Schedules


def test_updates_fall_due_when_an_episode_ends() -> None:
    """seed_steps after the first episode that reaches them, then one per step of each episode."""
    world, due = World(built()), []
    for _ in range(4 * EPISODE):
        world.step()
        due.append(world.agent.updates_due())
    assert due == [0] * 20 + [18] + [18] * 6 + [18 + 7]
    assert world.pay() == 25


def test_updates_may_fall_due_after_every_step() -> None:
    world, due = World(built(update_when="step")), []
    for _ in range(24):
        world.step()
        due.append(world.agent.updates_due())
    assert due == [0] * 20 + [18, 19, 20, 21]


def test_whole_episodes_are_random_until_seed_steps_are_reached() -> None:
    world = World(built())
    world.steps(21)
    assert not world.carry.mean.any()
    world.step()
    assert world.carry.mean.any()
    inside = np.abs(np.concatenate(world.actions[:21]))
    assert inside.max() <= 1


def test_horizon_and_std_move_when_an_episode_begins() -> None:
    """The schedule takes 42 steps: a third at step 14, two thirds at 28, all at 42."""
    world, found = World(built()), []
    for step in range(50):
        found.append((step, world.agent._planner._search[:2]))
        world.step()
        world.pay()
    horizons = [horizon for _, (horizon, _) in found]
    assert horizons == [1] * 21 + [2] * 21 + [3] * 8
    changes = [found[0], *(b for a, b in itertools.pairwise(found) if a[1] != b[1])]
    assert [step for step, _ in changes] == [0, 7, 14, 21, 28, 35, 42]
    stds = [std for _, (_, std) in changes]
    assert stds == pytest.approx([0.5 - 0.45 * k / 6 for k in range(7)])


def test_plans_grow_with_the_horizon() -> None:
    """So does what is warm-started; a plan of another length begins anew."""
    world, lengths = World(built(seed_steps=1)), []
    for _ in range(50):
        world.step()
        world.pay()
        lengths.append(world.carry.mean.shape[2])
    assert lengths[7:] == [1] * 14 + [2] * 21 + [3] * 8


def test_an_evaluation_plans_under_the_same_schedule() -> None:
    agent = built()
    carry = agent.carry(2, [np.random.default_rng(1)])
    obs = np.zeros((1, 2, 5), np.float32)
    first = np.ones((1, 2), np.bool_)
    _, carry, _ = agent.act(obs, carry, first=first, mode="plan")
    assert carry.mean.shape == (1, 2, 1, 2)


# Acting


def test_a_mean_keeps_a_share_of_its_previous_value() -> None:
    """One iteration: 0.25 of the previous mean, 0.75 of the elites'; the std about the latter."""
    config = plain_tdmpc.resolved(iterations=1)
    model = built()._model
    obs, before = torch.randn(1, 1, 5), torch.rand(1, 1, 3, 2)
    later = torch.zeros(1, 1, dtype=torch.bool)
    plans = [
        Planner(model, config, search=Search(3, 0.05, momentum))(
            obs, before, later, plain.noise(7), explore=False
        )
        for momentum in (0.0, 0.25)
    ]
    shifted = torch.cat([before[:, :, 1:], torch.zeros(1, 1, 1, 2)], dim=2)
    torch.testing.assert_close(plans[1].mean, 0.25 * shifted + 0.75 * plans[0].mean)
    assert torch.equal(plans[0].std, plans[1].std)


def test_a_plan_is_judged_by_the_smaller_of_two_values() -> None:
    model, config = built()._model, plain_tdmpc.resolved()
    obs, first = torch.randn(1, 1, 5), torch.ones(1, 1, dtype=torch.bool)
    found = {}
    for judge in ("min", "mean"):
        search = Search(3, 0.05, judge=judge)  # type: ignore[arg-type]
        planner = Planner(model, config, search=search)
        proposals = planner._follow_policy(model.encode(obs), plain.noise(7))
        found[judge] = planner._values(proposals, plain.noise(8))[0, 0]
    z = proposals.z.flatten(1, 2)
    noise = plain.noise(8)
    action = model.act(z, noise).action
    both = model.values(model.q.heads(noise.pair(2)), z, action)[0]
    rewards = proposals.rewards[0, 0]
    torch.testing.assert_close(found["min"], rewards + 0.99**3 * both.amin(0))
    torch.testing.assert_close(found["mean"], rewards + 0.99**3 * both.mean(0))
    assert not torch.equal(found["min"], found["mean"])
    assert first.all()


@pytest.mark.parametrize("clamp", [False, True])
def test_a_noisy_action_may_leave_the_box_unless_it_is_clamped(*, clamp: bool) -> None:
    """What is stored is what was planned; the environment clips."""
    agent = built(clamp_action=clamp, std_start=1.5, horizon=3)
    carry = agent.carry(200, [np.random.default_rng(1)])
    obs = np.random.default_rng(0).standard_normal((1, 200, 5)).astype(np.float32)
    first = np.ones((1, 200), np.bool_)
    agent._begun = SEED_STEPS  # so that training plans
    action, _, _ = agent.act(obs, carry, first=first, mode="train")
    assert bool(np.abs(action).max() <= 1) is clamp
    evaluated, _, _ = agent.act(obs, carry, first=first, mode="plan")
    assert bool(np.abs(evaluated).max() <= 1)  # an elite, without noise


def test_an_evaluation_drops_only_the_noise() -> None:
    """With equal draws training differs from it by std times the last draw."""
    agent = built()
    agent._begun = SEED_STEPS
    agent._planner = agent._new_planner()
    obs = torch.randn(1, 1, 5)
    mean, first = torch.zeros(1, 1, 3, 2), torch.ones(1, 1, dtype=torch.bool)
    noise, other = plain.noise(7), plain.noise(7)
    evaluated = agent._planner(obs, mean, first, noise, explore=False)
    explored = agent._planner(obs, mean, first, other, explore=True)
    eps = noise.normal(1, 2)
    torch.testing.assert_close(explored.action, evaluated.action + explored.std[:, :, 0] * eps)
    assert torch.equal(explored.mean, evaluated.mean)


def test_the_policy_alone_explores_with_the_scheduled_std() -> None:
    """mpc=off: std 0.275 at half of the schedule while training, 0.05 in an evaluation."""
    agent = built(mpc=False, actor_clip=9.0, seed_steps=1)
    assert agent.modes == ("mean", "sample")
    agent._begun = 21
    obs = np.zeros((1, 20_000, 5), np.float32)
    first = np.ones((1, 20_000), np.bool_)
    with torch.no_grad():
        agent._model.policy.get_parameter("weight_2").zero_()
        agent._model.policy.get_parameter("bias_2").zero_()
    spread = {}
    for mode in ("train", "sample", "mean"):
        carry = agent.carry(20_000, [np.random.default_rng(1)])
        spread[mode] = float(agent.act(obs, carry, first=first, mode=mode)[0].std())
    assert spread == pytest.approx({"train": 0.275, "sample": 0.05, "mean": 0.0}, rel=0.02)


# Learning


def tensors(weights: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Weights of one lane as `plain.Lane` takes them."""
    return {name: torch.from_numpy(array).unsqueeze(0) for name, array in weights.items()}


@pytest.mark.parametrize(
    "overrides",
    [{}, {"grad_clip_norm": 1e-3}, {"loss_clamp": 3.0}, {"horizon": 1, "rho": 0.9}, {"tau": 0.3}],
    ids=str,
)
def test_three_updates_equal_the_plain_ones(overrides: dict[str, Any]) -> None:
    """Losses, norms, priorities, and every parameter: draws, clamps, clipping, targets, order."""
    agent = built(**overrides)
    World(agent).steps(4 * EPISODE)
    (replay,) = agent.replays
    assert isinstance(replay, PrioritisedReplay)
    given = np.random.default_rng(5).uniform(0.1, 2, 200).astype(np.float32)
    starts = np.flatnonzero(replay.masses())
    replay.reprioritise(starts, given[: len(starts)])
    (state,) = agent.state()
    config = plain_tdmpc.resolved(**overrides)
    learner = plain_tdmpc.Learner(plain_tdmpc.Lane(tensors(state["weights"]), config))
    rng = np.random.default_rng()
    rng.bit_generator.state = state["draws"]
    noise = Noise.restored([state["noise"]], torch.device("cpu"))
    for _ in range(3):
        masses = replay.masses().astype(np.float64)
        draw = replay.draw(rng, config.batch_size)  # as test_prioritised.py has found it right
        weights = (len(masses) * masses[draw.rows] / masses.sum()) ** -0.4
        columns = replay.slices(draw.rows, config.horizon + 1)
        scalars = agent.update()
        drawn = plain_tdmpc.Batch(
            torch.from_numpy(columns["obs"]),
            torch.from_numpy(columns["action"])[1:],
            torch.from_numpy(columns["reward"])[1:],
            torch.from_numpy(weights / weights.max()),
        )
        expected, priorities = learner.update(drawn, noise)
        for name, value in expected.items():
            assert scalars[name][0] == pytest.approx(value, rel=2e-3, abs=1e-5), name
        after = masses.copy()
        after[draw.rows] = (priorities.numpy() + 1e-6) ** 0.6
        np.testing.assert_allclose(replay.masses(), after, rtol=2e-3)
    after = agent.export()[0]
    for name, weight in learner.lane.weights.items():
        moved = after[name] - state["weights"][name]
        plainly = weight.detach().numpy() - state["weights"][name]
        assert np.abs(plainly).max() > 0
        room = 5e-3 * np.abs(plainly).max()
        np.testing.assert_allclose(moved, plainly, rtol=0, atol=room, err_msg=name)


def test_averages_move_at_every_second_update() -> None:
    """Also after a restart between the two."""
    world = World(built())
    world.steps(21)
    before = world.agent.export()[0]
    moves = []
    for number in range(4):
        world.agent.update()
        if number == 2:
            world = continued(world)
        after = world.agent.export()[0]
        moves.append(
            not np.array_equal(before["target_q.weight_1"], after["target_q.weight_1"])
            and not np.array_equal(
                before["target_encoder.weight_1"], after["target_encoder.weight_1"]
            )
        )
        before = after
    assert moves == [False, True, False, True]


def test_without_priorities_sub_sequences_are_drawn_as_in_tdmpc2() -> None:
    agent = built(prioritised=False)
    World(agent).steps(21)
    assert not isinstance(agent.replays[0], PrioritisedReplay)
    (state,) = agent.state()
    assert "masses" not in state
    rng = np.random.default_rng()
    rng.bit_generator.state = state["draws"]
    expected = agent.replays[0].sample(rng, 8, 4)
    batch = agent.batch()
    np.testing.assert_array_equal(batch.obs[0].numpy(), expected["obs"])
    np.testing.assert_array_equal(batch.reward[0].numpy(), expected["reward"][1:])
    assert np.isfinite(agent.update()["loss"]).all()


def test_a_loss_that_is_no_number_is_told_and_not_hidden() -> None:
    """The runner ends the cell as diverged; a term clamped at 1e4 does not hide it."""
    world = World(built())
    world.steps(21)
    (weights,) = world.agent.export()
    weights["reward.bias_2"] = np.full_like(weights["reward.bias_2"], np.nan)
    world.agent.load_weights([weights])
    assert not np.isfinite(world.agent.update()["reward_loss"]).all()


# Remembering


def continued(world: World, **overrides: Any) -> World:
    """A fresh process in the same place: state, carry and replay taken over, nothing else."""
    agent = world.agent
    fresh = build(plain_tdmpc.tiny(**overrides), plain.TASK, [1])
    (ours,), (theirs,) = fresh.replays, agent.replays
    rows = theirs.rows(theirs.oldest_row, theirs.rows_written)
    ours.load([rows], first_row=theirs.oldest_row)
    fresh.load_state(agent.state())
    copy = World.__new__(World)
    vars(copy).update(vars(world))
    copy.agent, copy.actions = fresh, []
    copy.carry = fresh.load_carry(agent.carry_state(world.carry))
    copy.rng = np.random.default_rng()
    copy.rng.bit_generator.state = world.rng.bit_generator.state
    return copy


@pytest.mark.parametrize(
    ("steps", "updates", "prioritised"),
    [(5, 0, True), (21, 0, True), (21, 3, True), (45, 20, True), (45, 20, False)],
)
def test_a_restored_agent_goes_on_bit_for_bit(
    steps: int, updates: int, *, prioritised: bool
) -> None:
    """While seeding, in the burst, in mid-episode, once the ring overwrites its first rows."""
    overrides = {"capacity": 30, "prioritised": prioritised}
    world = World(built(**overrides))
    world.steps(steps)
    for _ in range(updates):
        world.agent.update()
    copy = continued(world, **overrides)
    assert equal(world.agent.state(), copy.agent.state())
    assert world.agent.updates_due() == copy.agent.updates_due()
    assert world.agent._planner._search == copy.agent._planner._search
    world.actions = []
    for one in (world, copy):
        one.steps(20)
        for _ in range(3):
            one.agent.update()
        one.steps(9)
    assert equal(world.actions, copy.actions)
    assert equal(world.agent.state(), copy.agent.state())
    assert equal(world.agent.carry_state(world.carry), copy.agent.carry_state(copy.carry))


def test_a_state_keeps_no_part_of_the_living_agent() -> None:
    world = World(built())
    world.steps(21)
    world.agent.update()
    state, again = world.agent.state(), world.agent.state()
    masses = state[0]["masses"].copy()
    world.pay()
    assert equal(state, again) and np.array_equal(masses, state[0]["masses"])
    assert not equal(state, world.agent.state())


def test_evaluations_leave_training_as_it_was() -> None:
    world = World(built())
    world.steps(24)
    agent = world.agent
    agent.update()
    state, carry_state = agent.state(), agent.carry_state(world.carry)
    obs = np.random.default_rng(0).standard_normal((1, 4, 5)).astype(np.float32)
    assert agent.modes == ("plan", "mean", "sample")
    for mode in agent.modes:
        carry = agent.carry(4, [np.random.default_rng(1)])
        first = np.ones((1, 4), np.bool_)
        for _ in range(2):
            action, carry, _ = agent.act(obs, carry, first=first, mode=mode)
            first = ~first
        assert action.shape == (1, 4, 2)
    assert equal(agent.state(), state)
    assert equal(agent.carry_state(world.carry), carry_state)


def test_only_one_seed_is_trained_in_a_process() -> None:
    with pytest.raises(UsageError, match="one seed a process, got 2"):
        build(plain_tdmpc.tiny(), plain.TASK, [1, 2])


def test_its_speed_is_measured_with_the_full_horizon() -> None:
    from tdmpc2_bench.calibration import Rehearsal

    small = {"enc_dim": 8, "mlp_dim": 8, "latent_dim": 8, "num_samples": 12, "num_elites": 4,
             "num_pi_trajs": 2, "batch_size": 4, "iterations": 1, "seed_steps": 40}  # fmt: skip
    request = {"agent": "tdmpc", "preset": "paper", "overrides": small, "task": "toy-point"}
    rehearsal = Rehearsal({**request, "device": "cpu"})
    assert (rehearsal.seed_steps, rehearsal.burst) == (40, 40)
    agent: Any = rehearsal.agent
    assert agent._planner._search.horizon == rehearsal.config.horizon == 5
    assert registry.agent("tdmpc").presets["paper"].resolved(rehearsal.task).schedule_steps > 0  # type: ignore[attr-defined]


def test_weights_tell_how_far_the_schedules_have_got() -> None:
    """So that a trained agent plans as it did, and not as at its beginning."""
    world = World(built())
    world.steps(7 * EPISODE)
    other = build(plain_tdmpc.tiny(), plain.TASK, [2])
    assert other._planner._search != world.agent._planner._search
    other.load_weights(world.agent.export())
    assert other._planner._search == world.agent._planner._search


def test_who_only_acts_takes_a_state_without_the_replays_rows() -> None:
    world = World(built())
    world.steps(4 * EPISODE)
    (state,) = world.agent.state()
    other = build(plain_tdmpc.tiny(), plain.TASK, [2])
    other.load_state([state])
    assert other._planner._search == world.agent._planner._search
    obs = np.ones((1, 1, 5), np.float32)
    first = np.ones((1, 1), np.bool_)
    one, two = (
        agent.act(obs, agent.carry(1, [np.random.default_rng(3)]), first=first, mode="mean")[0]
        for agent in (world.agent, other)
    )
    np.testing.assert_array_equal(one, two)
