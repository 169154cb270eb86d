"""Training is one stream of events that can be left and entered anywhere, undisturbed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learner import Learner, LearnerConfig
from numpy.typing import NDArray

from tdmpc2_bench import checkpoint, registry, seeding
from tdmpc2_bench.agent import Agent, FloatArray
from tdmpc2_bench.baselines.uniform.agent import Uniform
from tdmpc2_bench.env import Outcome, TaskEnv
from tdmpc2_bench.errors import Diverged, NotReproducible
from tdmpc2_bench.loop import (
    EpisodeEnd,
    Evaluation,
    Interaction,
    Stepped,
    Updated,
    evaluate,
)
from tdmpc2_bench.suites.toy_simulation import Point

POINT, PLANE = registry.task("toy-point"), registry.task("toy-plane")
# Learning starts after 26 steps, in the second episode; the replay turns over in the sixth.
CONFIG = LearnerConfig(seed_steps=25, capacity=100)


class Recorded(Point):
    """A point that notes the seed and first observation of every episode."""

    def __init__(self, axes: int) -> None:
        super().__init__(axes)
        self.seeds: list[int] = []
        self.starts: list[bytes] = []

    def reset(self, seed: int) -> NDArray[Any]:
        obs = super().reset(seed)
        self.seeds.append(seed)
        self.starts.append(obs.tobytes())
        return obs


class Ending(Point):
    """A point whose episodes end for good after a number of steps that their seed gives."""

    def reset(self, seed: int) -> NDArray[Any]:
        self._left = 10 + seed % 25
        return super().reset(seed)

    def step(self, action: FloatArray) -> Outcome:
        self._left -= 1
        return super().step(action)._replace(terminated=self._left <= 0)


def train(
    *seeds: int, config: LearnerConfig = CONFIG, make: Callable[[], TaskEnv] | None = None
) -> Interaction:
    envs = [make() if make else registry.make(POINT) for _ in seeds]
    return Interaction(Learner(config, POINT, seeds), envs, seeds)


def digest(interaction: Interaction, lane: int = 0) -> str:
    """Everything that training goes on from, replay included."""
    replay: Any = interaction.agent.replays[lane]
    rows = replay.rows(replay.oldest_row, replay.rows_written)
    files = checkpoint.encode({**interaction.state()[lane], "rows": rows})
    return hashlib.sha256(b"".join(files.values())).hexdigest()


def run(interaction: Interaction, events: int) -> Interaction:
    for _ in islice(interaction.events(), events):
        pass
    return interaction


def finish(evaluation: Iterator[None]) -> list[Evaluation]:
    while True:
        try:
            next(evaluation)
        except StopIteration as end:
            found: list[Evaluation] = end.value
            return found


def eval_envs(lanes: int = 1, episodes: int = 2) -> list[list[TaskEnv]]:
    return [[registry.make(POINT) for _ in range(episodes)] for _ in range(lanes)]


# The stream


def test_every_step_and_every_update_is_an_event() -> None:
    events = list(islice(train(1).events(), 200))
    kinds = ["step" if isinstance(event, Stepped) else "update" for event in events]
    # 26 random steps; they owe 25 updates; every later step owes one.
    burst = ["step"] * 26 + ["update"] * 25
    assert burst + ["step", "update"] * 74 + ["step"] == kinds


def test_counters_follow_the_events() -> None:
    interaction = train(1)
    steps = updates = 0
    for event in islice(interaction.events(), 120):
        steps += isinstance(event, Stepped)
        updates += isinstance(event, Updated)
        assert (steps, updates) == (interaction.agent_step, interaction.updates)


def test_the_end_of_an_episode_is_reported_once() -> None:
    found = [
        (number, end)
        for number, event in enumerate(run_steps(train(1), 61), start=1)
        for end in event.ends
    ]
    assert [number for number, _ in found] == [20, 40, 60]
    assert [end.episode for _, end in found] == [0, 1, 2]
    assert all(isinstance(end, EpisodeEnd) and end.length == 20 for _, end in found)
    assert all(end.lane == 0 and end.success in {True, False} for _, end in found)


def run_steps(interaction: Interaction, count: int) -> list[Stepped]:
    steps = (event for event in interaction.events() if isinstance(event, Stepped))
    return list(islice(steps, count))


def test_the_return_is_the_sum_of_the_stored_rewards() -> None:
    interaction = train(1)
    ends = [end for event in run_steps(interaction, 60) for end in event.ends]
    replay: Any = interaction.agent.replays[0]
    for end in ends:
        rewards = replay.rows(21 * end.episode, 21 * (end.episode + 1))["reward"]
        assert rewards[0] == 0
        assert end.episode_return == pytest.approx(float(rewards.sum()), rel=1e-5)


def test_training_episodes_are_seeded_by_address() -> None:
    simulation = Recorded(1)
    run(train(7, make=lambda: TaskEnv(POINT, simulation)), 300)
    expected = [seeding.integer(7, "toy-point", "train", k) for k in range(len(simulation.seeds))]
    assert len(expected) > 5
    assert expected == simulation.seeds


def test_equal_seeds_train_alike_and_others_otherwise() -> None:
    assert digest(run(train(1), 200)) == digest(run(train(1), 200))
    assert digest(run(train(1), 200)) != digest(run(train(2), 200))


def test_the_learner_learns() -> None:
    """Its weights move, so that the other tests mean something."""
    before, after = train(1), run(train(1), 200)
    assert before.agent.export()[0]["weights"] != pytest.approx(after.agent.export()[0]["weights"])


# Evaluation


@pytest.mark.parametrize("complete", [True, False])
def test_an_evaluation_does_not_disturb_training(*, complete: bool) -> None:
    """Neither does one that is given up half-way."""
    undisturbed, disturbed = train(1), train(1)
    envs = eval_envs()
    both = zip(undisturbed.events(), disturbed.events(), strict=True)
    for number, _ in enumerate(islice(both, 150)):
        assert digest(undisturbed) == digest(disturbed)
        if number % 3 == 0:
            for mode in disturbed.agent.modes:
                evaluation = evaluate(disturbed.agent, envs, [1], mode)
                if complete:
                    finish(evaluation)
                else:
                    next(evaluation)


@pytest.mark.parametrize("mode", Learner.modes)
def test_an_evaluation_of_the_same_agent_is_always_the_same(mode: str) -> None:
    agent = run(train(1), 200).agent
    used, fresh = eval_envs(), eval_envs()
    for env in used[0]:
        env.reset(seed=5)
        env.step(np.ones(1, np.float32))
    first = finish(evaluate(agent, fresh, [1], mode))
    assert first == finish(evaluate(agent, fresh, [1], mode))
    assert first == finish(evaluate(agent, used, [1], mode))
    assert first != finish(evaluate(agent, fresh, [2], mode))


def test_more_episodes_are_the_same_ones_and_further_ones() -> None:
    """Where the agent draws no noise."""
    agent = run(train(1), 200).agent
    (few,) = finish(evaluate(agent, eval_envs(episodes=2), [1], "mean"))
    (more,) = finish(evaluate(agent, eval_envs(episodes=4), [1], "mean"))
    assert few.returns == pytest.approx(more.returns[:2])


def test_every_agent_is_evaluated_from_the_same_starts() -> None:
    agents: list[Agent] = [
        Uniform(POINT, 1),
        Learner(CONFIG, POINT, [1]),
        run(train(1), 200).agent,
    ]
    found = []
    for agent in agents:
        for mode in agent.modes:
            simulations = [Recorded(1) for _ in range(3)]
            envs = [[TaskEnv(POINT, simulation) for simulation in simulations]]
            finish(evaluate(agent, envs, [4], mode))
            found.append([(one.seeds, one.starts) for one in simulations])
    assert all(found[0] == one for one in found)
    seeds = [seeds for seeds, _ in found[0]]
    assert [[seeding.integer(4, "toy-point", "eval", k)] for k in range(3)] == seeds


def test_evaluation_and_training_share_no_episode() -> None:
    purposes = {
        seeding.integer(seed, task, purpose, k)
        for seed in range(3)
        for task in ("toy-point", "toy-plane")
        for purpose in ("train", "eval")
        for k in range(50)
    }
    assert len(purposes) == 600


def test_episodes_of_different_length_are_evaluated_together() -> None:
    envs = [[TaskEnv(POINT, Ending(1)) for _ in range(6)]]
    (found,) = finish(evaluate(Learner(CONFIG, POINT, [1]), envs, [1], "mean"))
    seeds = [seeding.integer(1, "toy-point", "eval", k) for k in range(6)]
    # Environment steps that the episode lasts, in agent steps of two, at most 20.
    assert [min(20, (10 + seed % 25 + 1) // 2) for seed in seeds] == found.lengths
    assert len(set(found.lengths)) > 1


class Scripted(Point):
    """A point with given successes, one per environment step."""

    def __init__(self, successes: list[bool | None]) -> None:
        super().__init__(1)
        self._successes = successes

    def reset(self, seed: int) -> NDArray[Any]:
        self._left = list(self._successes)
        return super().reset(seed)

    def step(self, action: FloatArray) -> Outcome:
        return super().step(action)._replace(success=self._left.pop(0), reward=0.5)


@pytest.mark.parametrize(
    ("successes", "last", "ever"),
    [
        ([False] * 40, False, False),
        ([False] * 38 + [True] * 2, True, True),
        ([True] * 4 + [False] * 36, False, True),
        ([None] * 40, None, None),
    ],
)
def test_success_is_told_at_the_last_step_and_at_any(
    *, successes: list[bool | None], last: bool | None, ever: bool | None
) -> None:
    envs = [[TaskEnv(POINT, Scripted(successes))]]
    (found,) = finish(evaluate(Uniform(POINT, 1), envs, [1], "sample"))
    assert Evaluation([20.0], [last], [ever], [20]) == found


# Leaving and entering


def resumed(interaction: Interaction, folder: Path) -> Interaction:
    """A new interaction that continues what another one saved on the disk."""
    replay: Any = interaction.agent.replays[0]
    folder.mkdir(exist_ok=True)
    start, stop = replay.oldest_row, replay.rows_written
    content = {**interaction.state()[0], "rows": replay.rows(start, stop)}
    for name, data in checkpoint.encode(content).items():
        (folder / name).write_bytes(data)
    state = checkpoint.decode(folder)
    other = train(1)
    other.agent.replays[0].load([state.pop("rows")] if stop > start else [], first_row=start)
    other.load_state([state])
    return other


def test_training_continues_bit_for_bit_from_every_event(tmp_path: Path) -> None:
    """Between all agent steps and updates: seeding, its burst, mid-episode, a turning replay."""
    expected = [digest(train(1))]
    undisturbed = train(1)
    expected += [digest(undisturbed) for _ in islice(undisturbed.events(), 400)]

    interrupted = train(1)
    events = interrupted.events()
    for number in range(1, 331):
        next(events)
        if number > 150 and number % 10:
            continue
        other = resumed(interrupted, tmp_path)
        assert expected[number] == digest(other)
        for later, _ in enumerate(islice(other.events(), 70 if number % 10 == 0 else 2)):
            assert expected[number + 1 + later] == digest(other)


def test_training_continues_bit_for_bit_when_left_after_every_event(tmp_path: Path) -> None:
    undisturbed, interrupted = train(1), train(1)
    for _ in islice(undisturbed.events(), 150):
        next(iter(interrupted.events()))
        interrupted = resumed(interrupted, tmp_path)
        assert digest(undisturbed) == digest(interrupted)


def test_an_agent_without_replay_continues() -> None:
    def uniform() -> Interaction:
        return Interaction(Uniform(PLANE, 1), [registry.make(PLANE)], [1])

    undisturbed, interrupted = uniform(), uniform()
    for event in islice(undisturbed.events(), 100):
        assert event == next(iter(interrupted.events()))
        states = interrupted.state()
        interrupted = uniform()
        interrupted.load_state(states)


class Drifting(Point):
    """A point whose episodes differ with the number of resets before, as they never should."""

    resets = 0

    def reset(self, seed: int) -> NDArray[Any]:
        Drifting.resets += 1
        return super().reset(seed + Drifting.resets)


class Shaky(Point):
    """A point that moves differently from a given environment step on."""

    broken_from = 10**9

    def step(self, action: FloatArray) -> Outcome:
        Shaky.broken_from -= 1
        outcome = super().step(action)
        shift = np.float32(1e-6) if Shaky.broken_from < 0 else np.float32(0)
        return outcome._replace(obs=outcome.obs + shift)


@pytest.mark.parametrize("simulation", [Drifting, Shaky])
def test_an_episode_that_does_not_repeat_stops(
    monkeypatch: pytest.MonkeyPatch, simulation: type[Point]
) -> None:
    def fresh() -> Interaction:
        return train(1, make=lambda: TaskEnv(POINT, simulation(1)))

    states = run(fresh(), 30).state()
    monkeypatch.setattr(Shaky, "broken_from", 5)
    with pytest.raises(NotReproducible, match=r"toy-point.* episode 1 .*other observations"):
        fresh().load_state(states)


# Numbers that are not finite


class Poisoned(Point):
    """A point with one bad number, after a few environment steps or at a reset."""

    def __init__(self, where: str, value: float) -> None:
        super().__init__(1)
        self._where, self._value = where, value
        self._steps = 0

    def reset(self, seed: int) -> NDArray[Any]:
        obs = super().reset(seed)
        return np.array([self._value, 0.0]) if self._where == "reset" else obs

    def step(self, action: FloatArray) -> Outcome:
        self._steps += 1
        outcome = super().step(action)
        if self._steps < 7:
            return outcome
        obs = outcome.obs
        bad_obs = np.array([obs[0], self._value])
        return outcome._replace(
            obs=bad_obs if self._where == "observation" else obs,
            reward=self._value if self._where == "reward" else outcome.reward,
        )


NOT_FINITE = (float("nan"), float("inf"), -float("inf"))


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("where", ["reset", "observation", "reward"])
def test_an_environment_that_diverges_stops_training(where: str, value: float) -> None:
    interaction = train(1, make=lambda: TaskEnv(POINT, Poisoned(where, value)))
    with pytest.raises(Diverged, match="observation or reward"):
        run(interaction, 20)
    assert interaction.agent_step == (0 if where == "reset" else 3)


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("where", ["observation", "reward"])
def test_an_environment_that_diverges_stops_an_evaluation(where: str, value: float) -> None:
    envs = [[registry.make(POINT), TaskEnv(POINT, Poisoned(where, value))]]
    with pytest.raises(Diverged, match=where):
        finish(evaluate(Uniform(POINT, 1), envs, [1], "sample"))


class Bad(Learner):
    """A learner whose actions or losses go bad."""

    value = float("nan")

    def act(self, *args: Any, **kwargs: Any) -> Any:
        action, carry, extra = super().act(*args, **kwargs)
        return action * self.value, carry, extra


@pytest.mark.parametrize("value", NOT_FINITE)
def test_an_action_that_diverges_stops(value: float) -> None:
    agent = Bad(CONFIG, POINT, [1])
    agent.value = value
    interaction = Interaction(agent, [registry.make(POINT)], [1])
    with pytest.raises(Diverged, match="an action"):
        run(interaction, 1)
    with pytest.raises(Diverged, match="an action"):
        finish(evaluate(agent, eval_envs(), [1], "mean"))


def test_a_loss_that_diverges_stops() -> None:
    interaction = train(1, config=LearnerConfig(seed_steps=25, diverge_at=10))
    with pytest.raises(Diverged, match="a loss"):
        run(interaction, 100)
    assert interaction.updates == 10


# Lanes


def compare_lanes(make: Callable[[], TaskEnv] | None, config: LearnerConfig) -> None:
    seeds = (1, 2, 3)
    together = train(*seeds, config=config, make=make)
    alone = [train(seed, config=config, make=make) for seed in seeds]
    streams = [one.events() for one in (together, *alone)]
    for _ in range(250):
        event, *others = [next(stream) for stream in streams]
        for lane, other in enumerate(others):
            assert type(event) is type(other)
            if isinstance(event, Updated) and isinstance(other, Updated):
                assert event.scalars["loss"][lane] == other.scalars["loss"][0]
            if isinstance(event, Stepped) and isinstance(other, Stepped):
                ends = [end for end in event.ends if end.lane == lane]
                assert [end._replace(lane=lane) for end in other.ends] == ends
            assert digest(together, lane) == digest(alone[lane])


def test_a_lane_trains_as_it_would_alone() -> None:
    compare_lanes(None, CONFIG)


def test_lanes_with_episodes_of_different_length_train_as_they_would_alone() -> None:
    compare_lanes(lambda: TaskEnv(POINT, Ending(1)), LearnerConfig(seed_steps=45, capacity=60))


def test_lanes_are_evaluated_as_they_would_be_alone() -> None:
    seeds = (1, 2, 3)
    together = run(train(*seeds), 150).agent
    for mode in together.modes:
        found = finish(evaluate(together, eval_envs(3), seeds, mode))
        for lane, seed in enumerate(seeds):
            agent = run(train(seed), 150).agent
            assert [found[lane]] == finish(evaluate(agent, eval_envs(), [seed], mode))


def test_lanes_continue_together() -> None:
    seeds = (1, 2)
    undisturbed, interrupted = train(*seeds), run(train(*seeds), 120)
    run(undisturbed, 120)
    other = train(*seeds)
    for lane, replay in enumerate(interrupted.agent.replays):
        rows: Mapping[str, NDArray[Any]] = replay.rows(0, replay.rows_written)
        other.agent.replays[lane].load([rows], first_row=0)
    other.load_state(interrupted.state())
    run(other, 100)
    run(undisturbed, 100)
    assert [digest(undisturbed, lane) for lane in (0, 1)] == [
        digest(other, lane) for lane in (0, 1)
    ]
