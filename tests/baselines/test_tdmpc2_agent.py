"""The agent: its schedule, whole updates against the plain ones, lanes, and what it remembers."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plain
import pytest
import torch
from numpy.typing import NDArray
from states import equal
from torch import Tensor

from tdmpc2_bench.agent import FloatArray, Step
from tdmpc2_bench.baselines import compiling, kernels
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc2.agent import TDMPC2, PlannerCarry, build
from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config
from tdmpc2_bench.errors import BenchError, UsageError

EPISODE = 7  # agent steps of plain.TASK
SEED_STEPS = 21  # of the tiny settings


def built(seeds: Sequence[int] = (1,), **overrides: Any) -> TDMPC2:
    """A tiny agent away from its start, where every value would be 0 and all plans tied."""
    agent = build(plain.tiny(**overrides), plain.TASK, seeds)
    agent.load_weights([_shaken(w, seed) for w, seed in zip(agent.export(), seeds, strict=True)])
    return agent


def _shaken(weights: Mapping[str, NDArray[Any]], seed: int) -> dict[str, NDArray[Any]]:
    """Further in the value heads' outputs, so that values differ by more than 1."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            value + (0.6 if "q.weight_2" in name else 0.2) * rng.standard_normal(value.shape)
        ).astype(np.float32)
        for name, value in weights.items()
    }


@pytest.fixture(params=["torch", "packed"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A test holds for every kernel; small products too are left to it."""
    monkeypatch.setenv(kernels.VARIABLE, request.param)
    monkeypatch.setattr(kernels, "_NARROW", 1)
    return str(request.param)


class World:
    """A loop of our own: random observations and rewards, one episode per lane at a time.

    Episodes end by time limit; those of an episodic agent end for good, but for every third.
    """

    def __init__(self, agent: TDMPC2, seeds: Sequence[int] = (1,)) -> None:
        """Begin the first episode."""
        self.agent = agent
        self.rngs = [np.random.default_rng([seed, 99]) for seed in seeds]
        self.carry: PlannerCarry = agent.carry(1, [np.random.default_rng(s) for s in seeds])
        self.agent_steps = 0
        self.actions: list[FloatArray] = []
        self._episode = 0
        self._reset()

    def _reset(self) -> None:
        self.first = True
        self._observe(np.zeros((len(self.rngs), 2), np.float32))

    def _observe(
        self, action: FloatArray, *, truncated: bool = False, terminated: bool = False
    ) -> None:
        self.obs = np.stack([rng.standard_normal(5) for rng in self.rngs]).astype(np.float32)
        reward = np.stack([rng.standard_normal() for rng in self.rngs]).astype(np.float32)
        everywhere = np.ones(len(self.rngs), np.bool_)
        self.agent.observe(
            Step(
                obs=self.obs,
                action=action,
                reward=reward * (not self.first),
                first=everywhere & self.first,
                terminated=everywhere & terminated,
                truncated=everywhere & truncated,
                active=everywhere,
            )
        )

    def step(self) -> None:
        """Take one agent step, and reset after the last of an episode."""
        first = np.full((len(self.rngs), 1), self.first)
        action, self.carry, extra = self.agent.act(
            self.obs[:, None], self.carry, first=first, mode="train"
        )
        assert not np.any(extra.get("num_nan", 0.0))
        self.first = False
        self.actions.append(action[:, 0])
        self.agent_steps += 1
        over = self.agent_steps % EPISODE == 0
        self._episode += over
        ends = over and self.agent._config.episodic and self._episode % 3 > 0
        self._observe(action[:, 0], truncated=over and not ends, terminated=ends)
        if over:
            self._reset()

    def steps(self, count: int) -> None:
        """Take steps without any update."""
        for _ in range(count):
            self.step()


# Schedule


def test_updates_fall_due_as_in_the_method() -> None:
    """A burst of seed_steps after seed_steps + 1 actions, then one per step: N in N + 1 steps."""
    agent = built()
    world, due = World(agent), []
    for _ in range(SEED_STEPS + 6):
        world.step()
        due.append(agent.updates_due())
    assert due == [0] * SEED_STEPS + [21, 22, 23, 24, 25, 26]
    agent.update()
    assert agent.updates_due() == 25


def test_actions_are_uniform_until_seed_steps_plus_one() -> None:
    """The first plan is made at the second step of the episode that begins at seed_steps."""
    agent = built()
    world = World(agent)
    world.steps(SEED_STEPS + 1)
    assert not world.first  # the episode's first action was random
    assert not world.carry.mean.any()
    rng = torch.Generator().manual_seed(int(np.random.default_rng(1).integers(2**63)))
    random = [torch.rand(1, 2, generator=rng) * 2 - 1 for _ in range(SEED_STEPS + 1)]
    np.testing.assert_allclose(world.actions, torch.stack(random).numpy(), rtol=1e-6)
    world.step()
    assert world.carry.mean.any()


def test_random_actions_fill_the_action_box() -> None:
    agent = built()
    carry = agent.carry(4000, [np.random.default_rng(0)])
    obs, first = np.zeros((1, 4000, 5), np.float32), np.ones((1, 4000), np.bool_)
    action, _, _ = agent.act(obs, carry, first=first, mode="train")
    assert action.shape == (1, 4000, 2) and action.dtype == np.float32
    assert action.min() < -0.99 and action.max() > 0.99 and np.abs(action).max() <= 1
    quarters, _ = np.histogram(action, bins=4, range=(-1, 1))
    assert quarters == pytest.approx([2000] * 4, rel=0.1)


def test_debt_waits_for_a_completed_episode() -> None:
    agent = built(seed_steps=3)
    world, due = World(agent), []
    for _ in range(EPISODE + 1):
        world.step()
        due.append(agent.updates_due())
    assert due == [0, 0, 0, 0, 0, 0, 3 + 3, 3 + 4]


def test_an_evaluation_never_acts_at_random() -> None:
    agent = built()
    obs = np.random.default_rng(0).standard_normal((1, 3, 5)).astype(np.float32)
    first = np.ones((1, 3), np.bool_)
    one, other = (
        agent.act(obs, agent.carry(3, [np.random.default_rng(s)]), first=first, mode="mean")[0]
        for s in (1, 2)
    )
    assert np.array_equal(one, other)


def test_a_termination_is_refused_but_in_episodic_mode() -> None:
    agent, no = built(), np.zeros(1, np.bool_)
    with pytest.raises(BenchError, match=r"plain-task.*episodic=on"):
        agent.observe(
            Step(
                obs=np.zeros((1, 5), np.float32),
                action=np.zeros((1, 2), np.float32),
                reward=np.zeros(1, np.float32),
                first=no,
                terminated=~no,
                truncated=no,
                active=~no,
            )
        )


def test_a_lane_without_part_in_a_reset_stores_no_row() -> None:
    agent, everywhere = built((1, 2)), np.ones(2, np.bool_)
    step = Step(
        obs=np.zeros((2, 5), np.float32),
        action=np.zeros((2, 2), np.float32),
        reward=np.zeros(2, np.float32),
        first=everywhere,
        terminated=~everywhere,
        truncated=~everywhere,
        active=everywhere,
    )
    agent.observe(step)
    only_second = np.array([False, True])
    agent.observe(dataclasses.replace(step, first=only_second, active=only_second))
    assert [replay.rows_written for replay in agent.replays] == [1, 2]


# Acting


def test_without_planning_the_headline_of_an_evaluation_is_the_mean() -> None:
    """Section 6: without planning act = pi sample, eval = tanh(mean)."""
    assert built().modes == ("plan", "mean", "sample")
    assert built(mpc=False).modes == ("mean", "sample")


@pytest.mark.parametrize("mpc", [True, False])
def test_without_planning_training_samples_the_policy(*, mpc: bool) -> None:
    agent = built(mpc=mpc)
    world = World(agent)
    world.steps(SEED_STEPS + 1)
    states, actions = agent.carry_state(world.carry), {}
    for mode in ("train", "sample", "mean"):
        carry = agent.load_carry(states)
        first = np.zeros((1, 1), np.bool_)
        actions[mode] = agent.act(world.obs[:, None], carry, first=first, mode=mode)[0]
    assert np.array_equal(actions["train"], actions["sample"]) is not mpc
    assert not np.array_equal(actions["sample"], actions["mean"])


def test_actions_of_the_policy_are_the_plain_ones() -> None:
    agent = built((1, 2))
    obs = np.random.default_rng(0).standard_normal((2, 3, 5)).astype(np.float32)
    first = np.ones((2, 3), np.bool_)
    streams = [np.random.default_rng(s) for s in (5, 6)]
    noise = Noise.seeded([np.random.default_rng(s) for s in (5, 6)], torch.device("cpu"))
    eps = noise.normal(3, 2)
    mean, _, _ = agent.act(obs, agent.carry(3, streams), first=first, mode="mean")
    streams = [np.random.default_rng(s) for s in (5, 6)]
    sample, _, _ = agent.act(obs, agent.carry(3, streams), first=first, mode="sample")
    for i in range(2):
        lane = plain.Lane(tensors(agent.export()[i]), plain.resolved())
        expected = lane.policy(lane.encode(torch.from_numpy(obs[i])), eps[i])
        np.testing.assert_allclose(mean[i], expected.mean.detach(), atol=1e-5)
        np.testing.assert_allclose(sample[i], expected.action.detach(), atol=1e-5)


def test_planning_remembers_its_mean_in_training_and_evaluation_alike() -> None:
    agent = built()
    world = World(agent)
    world.steps(SEED_STEPS + 1)
    for mode in ("train", "plan"):
        carry = agent.carry(1, [np.random.default_rng(3)])
        assert not carry.mean.any()
        first = np.zeros((1, 1), np.bool_)
        _, after, _ = agent.act(world.obs[:, None], carry, first=first, mode=mode)
        assert after.mean.any() and not carry.mean.any()


# Learning


def tensors(weights: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Weights of one lane as `plain.Lane` takes them."""
    return {name: torch.from_numpy(array).unsqueeze(0) for name, array in weights.items()}


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"entropy": "gaussian", "entropy_coef": 0.01},
        {"grad_clip_norm": 1e-4},  # gradients so small that Adam's epsilons matter
        {"actor": "det", "num_q": 2},
        {"horizon": 1, "num_bins": 1, "enc_layers": 3},
        {"tau": 0.3},
        {"episodic": True, "termination_coef": 2.0},
    ],
    ids=str,
)
@pytest.mark.usefixtures("kernel")
def test_three_updates_equal_the_plain_ones(overrides: dict[str, Any]) -> None:
    """Losses, norms, the scale, and every parameter: Adam's steps, clipping, targets, order."""
    seeds, config = (1, 2), plain.resolved(**overrides)
    agent = built(seeds, **overrides)
    World(agent, seeds).steps(SEED_STEPS + 1)
    states = agent.state()
    learners = [plain.Learner(plain.Lane(tensors(s["weights"]), config)) for s in states]
    scalars = [agent.update() for _ in range(3)]
    for i, (state, learner) in enumerate(zip(states, learners, strict=True)):
        rng = np.random.default_rng()
        rng.bit_generator.state = state["draws"]
        noise = Noise.restored([state["noise"]], torch.device("cpu"))
        for k in range(3):
            batch = agent.replays[i].sample(rng, config.batch_size, config.horizon + 1)
            expected = learner.update(batch, noise)
            for name, value in expected.items():
                assert scalars[k][name][i] == pytest.approx(value, rel=2e-3, abs=1e-5), name
            assert expected["scale"] > 1.0
        clipped = expected["grad_norm"] > config.grad_clip_norm
        assert clipped is ("grad_clip_norm" in overrides)
        after = agent.export()[i]
        for name, weight in learner.lane.weights.items():
            moved = after[name] - state["weights"][name]
            plainly = weight.detach().numpy() - state["weights"][name]
            assert np.abs(plainly).max() > 0
            room = 5e-3 * np.abs(plainly).max()
            np.testing.assert_allclose(moved, plainly, rtol=0, atol=room, err_msg=name)


def test_the_scale_moves_a_hundredth_towards_the_spread_of_first_values() -> None:
    """Values 0 .. 20: 5 % lies at 1, 95 % at 19; the new scale is 1 + 0.01 (18 - 1)."""
    agent = built(batch_size=21)
    agent._update_scale(torch.arange(21.0)[None])
    assert agent.state()[0]["scale"] == pytest.approx(1.17)
    agent = built()
    agent._update_scale(torch.linspace(0, 0.5, 21)[None])
    assert agent.state()[0]["scale"] == 1.0  # never below 1


def test_every_lane_learns_and_acts_as_if_it_were_alone() -> None:
    seeds = (1, 2, 3)
    agents = [built(seeds), *(built([seed]) for seed in seeds)]
    worlds = [
        World(agents[0], seeds),
        *(World(a, [s]) for a, s in zip(agents[1:], seeds, strict=True)),
    ]
    for world in worlds:
        world.steps(SEED_STEPS + 1)
        scalars = [world.agent.update() for _ in range(3)]
        assert all(np.isfinite(value).all() for update in scalars for value in update.values())
        world.steps(2)
        world.agent.update()
    for i, world in enumerate(worlds[1:]):
        np.testing.assert_allclose(
            [action[i] for action in worlds[0].actions],
            [action[0] for action in world.actions],
            atol=2e-3,
        )
        together, alone = agents[0].state()[i], world.agent.state()[0]
        assert together["draws"] == alone["draws"]
        assert np.array_equal(together["noise"], alone["noise"])
        assert together["scale"] == pytest.approx(alone["scale"], rel=1e-4)
        for name, weight in together["weights"].items():
            np.testing.assert_allclose(weight, alone["weights"][name], atol=5e-5, err_msg=name)


# Remembering


def continued(world: World, seeds: Sequence[int], **overrides: Any) -> World:
    """A fresh process in the same place: state, carry and replay taken over, nothing else."""
    agent = world.agent
    fresh = build(plain.tiny(**overrides), plain.TASK, seeds)
    for ours, theirs in zip(fresh.replays, agent.replays, strict=True):
        rows = theirs.rows(theirs.oldest_row, theirs.rows_written)
        ours.load([rows], first_row=theirs.oldest_row)
    fresh.load_state(agent.state())
    copy = World.__new__(World)
    vars(copy).update(vars(world))
    copy.agent, copy.actions = fresh, []
    copy.carry = fresh.load_carry(agent.carry_state(world.carry))
    copy.rngs = [np.random.default_rng() for _ in seeds]
    for rng, other in zip(copy.rngs, world.rngs, strict=True):
        rng.bit_generator.state = other.bit_generator.state
    return copy


@pytest.mark.parametrize("episodic", [False, True], ids=["", "episodic"])
@pytest.mark.parametrize(
    ("steps", "updates"), [(5, 0), (SEED_STEPS + 1, 0), (SEED_STEPS + 1, 3), (40, 2)]
)
@pytest.mark.usefixtures("kernel")
def test_a_restored_agent_goes_on_bit_for_bit(steps: int, updates: int, *, episodic: bool) -> None:
    """While seeding, in the burst, in mid-episode, and once the ring overwrites its first rows."""
    seeds, overrides = (1, 2), {"capacity": 30, "episodic": episodic}
    world = World(built(seeds, **overrides), seeds)
    world.steps(steps)
    for _ in range(updates):
        world.agent.update()
    copy = continued(world, seeds, **overrides)
    assert equal(world.agent.state(), copy.agent.state())
    assert world.agent.updates_due() == copy.agent.updates_due()
    world.actions = []
    for one in (world, copy):
        one.steps(19)
        for _ in range(3):
            one.agent.update()
        one.steps(3)
    assert equal(world.actions, copy.actions)
    assert equal(world.agent.state(), copy.agent.state())
    assert equal(world.agent.carry_state(world.carry), copy.agent.carry_state(copy.carry))
    assert world.agent.updates_due() == copy.agent.updates_due()


def test_a_restored_agent_keeps_to_the_kernels_it_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever another machine, or a changed one, would choose."""
    monkeypatch.setattr(kernels, "_NARROW", 1)
    monkeypatch.setenv(kernels.VARIABLE, "onednn,packed")
    world = World(built())
    world.steps(SEED_STEPS + 1)
    monkeypatch.setenv(kernels.VARIABLE, "torch")
    copy = continued(world, (1,))
    assert copy.agent.kernels == world.agent.kernels == ("onednn", "packed")
    for one in (world, copy):
        one.agent.update()
        one.step()
    assert equal(world.agent.state(), copy.agent.state())
    assert equal(world.actions[-1], copy.actions[-1])


def test_planning_in_bfloat16_decides_alike_but_not_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "_NARROW", 1)
    agents = [built(plan_dtype=dtype, min_std=0.05) for dtype in ("float32", "bfloat16")]
    means = []
    for agent in agents:
        carry = agent.carry(4, [np.random.default_rng(1)])
        obs = np.random.default_rng(2).standard_normal((1, 4, 5)).astype(np.float32)
        _, carry, _ = agent.act(obs, carry, first=np.ones((1, 4), np.bool_), mode="plan")
        means.append(carry.mean)
    assert not torch.equal(*means)
    assert (means[0] - means[1]).abs().median() < 0.2  # of a range from -1 to 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what torch's compiler says of its own code
def test_compiled_networks_learn_and_act_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    worlds = []
    for mode in ("off", "on"):
        monkeypatch.setenv(compiling.VARIABLE, mode)
        world = World(built())
        world.steps(SEED_STEPS)
        scalars = [world.agent.update() for _ in range(2)]
        world.step()
        worlds.append((world, scalars))
    (plainly, expected), (compiled, actual) = worlds
    for one, other in zip(actual, expected, strict=True):
        for name, value in other.items():
            assert one[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    np.testing.assert_allclose(compiled.actions[-1], plainly.actions[-1], atol=1e-2)
    assert compiled.agent._model.policy._compiled_call_impl is not None


def test_a_lane_goes_on_alone_from_its_own_state() -> None:
    """Cells trained together may be continued apart."""
    seeds = (1, 2, 3)
    agent = built(seeds)
    World(agent, seeds).steps(SEED_STEPS + 1)
    agent.update()
    alone = build(plain.tiny(), plain.TASK, [2])
    rows = agent.replays[1].rows(0, agent.replays[1].rows_written)
    alone.replays[0].load([rows], first_row=0)
    alone.load_state([agent.state()[1]])
    assert alone.updates_due() == agent.updates_due() == SEED_STEPS - 1
    together, single = agent.update(), alone.update()
    for name, value in together.items():
        assert single[name][0] == pytest.approx(value[1], rel=1e-4, abs=1e-6), name


def test_a_state_takes_the_place_of_whatever_the_agent_had_learned() -> None:
    """The state of an agent that never learned, too: no moments of Adam may stay behind."""
    agent = built()
    World(agent).steps(SEED_STEPS + 1)
    beginning = agent.state()
    agent.update()
    agent.load_state(beginning)
    assert equal(agent.state(), beginning)


def test_a_state_keeps_no_part_of_the_living_agent() -> None:
    agent = built()
    world = World(agent)
    world.steps(SEED_STEPS + 1)
    agent.update()
    state, again = agent.state(), agent.state()
    carry_state = agent.carry_state(world.carry)
    noise = carry_state[0]["noise"].copy()
    agent.update()
    world.step()
    assert equal(state, again) and not equal(state, agent.state())
    assert np.array_equal(noise, carry_state[0]["noise"])


def test_evaluations_leave_training_as_it_was() -> None:
    seeds = (1, 2)
    agent = built(seeds)
    world = World(agent, seeds)
    world.steps(SEED_STEPS + 1)
    agent.update()
    state, carry_state = agent.state(), agent.carry_state(world.carry)
    obs = np.random.default_rng(0).standard_normal((2, 4, 5)).astype(np.float32)
    for mode in agent.modes:
        carry = agent.carry(4, [np.random.default_rng(s) for s in seeds])
        first = np.ones((2, 4), np.bool_)
        for _ in range(2):
            action, carry, _ = agent.act(obs, carry, first=first, mode=mode)
            first = ~first
        assert action.shape == (2, 4, 2) and np.abs(action).max() <= 1
    assert equal(agent.state(), state)
    assert equal(agent.carry_state(world.carry), carry_state)


@pytest.mark.parametrize("mode", ["plan", "mean", "sample"])
def test_exported_weights_give_the_same_actions(mode: str) -> None:
    seeds = (1, 2)
    agent = built(seeds)
    World(agent, seeds).steps(SEED_STEPS + 1)
    agent.update()
    reader = build(plain.tiny(), plain.TASK, (8, 9))
    obs = np.random.default_rng(0).standard_normal((2, 3, 5)).astype(np.float32)
    first = np.ones((2, 3), np.bool_)

    def action(one: TDMPC2) -> FloatArray:
        carry = one.carry(3, [np.random.default_rng(s) for s in seeds])
        return one.act(obs, carry, first=first, mode=mode)[0]

    assert not np.array_equal(action(reader), action(agent))
    reader.load_weights(agent.export())
    assert np.array_equal(action(reader), action(agent))


# Settings that cannot work


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 7}, "size=7: expected one of 1, 5, 19, 48, 317"),
        ({"num_q": 1}, "num_q=1"),
        ({"simnorm_dim": 7}, "simnorm_dim=7: expected a divisor of latent_dim=512"),
        ({"latent_dim": 20}, "divisor of latent_dim=20"),
        ({"actor": "det", "mpc": False}, "actor=det with mpc=off"),
        ({"num_bins": 51}, "num_bins=51"),
        ({"num_elites": 600}, "num_elites=600"),
        ({"num_pi_trajs": 600}, "num_pi_trajs=600"),
        ({"horizon": 0}, "horizon=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"discount": 1.0}, "discount=1.0"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TDMPC2Config(**settings)


def test_candidates_that_were_no_numbers_are_counted_in_the_log() -> None:
    agent = build(plain.tiny(), plain.TASK, [1])
    no, yes = np.array([False]), np.array([True])
    step = Step(
        obs=np.zeros((1, plain.TASK.obs_dim), np.float32),
        action=np.zeros((1, plain.TASK.action_dim), np.float32),
        reward=np.zeros(1, np.float32),
        first=yes,
        terminated=no,
        truncated=no,
        active=yes,
    )
    agent.observe(step)
    for t in range(EPISODE):
        found = {"num_nan": np.array([float(t)], np.float32)}
        last = np.array([t == EPISODE - 1])
        agent.observe(dataclasses.replace(step, first=no, truncated=last, extra=found))
    assert agent.update()["planner_nans"].tolist() == [sum(range(EPISODE))]
