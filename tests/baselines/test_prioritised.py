"""Prioritised draws: probabilities and weights by hand, and what a checkpoint must hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from tdmpc2_bench.baselines.prioritised import PrioritisedReplay, Rule

LONGEST = 9  # agent steps


def empty(capacity: int = 1000, *, alpha: float = 0.5, beta: float = 0.4) -> PrioritisedReplay:
    return PrioritisedReplay(
        capacity, LONGEST, {"number": ((), np.int64)}, Rule(length=3, alpha=alpha, beta=beta)
    )


def play(replay: PrioritisedReplay, lengths: Iterable[int], unfinished: int = 0) -> None:
    """Store episodes of so many agent steps, and rows of one in progress."""
    for length in lengths:
        for t in range(length + 1):
            number = replay.rows_written
            replay.append(first=t == 0, last=t == length, number=number)
    for t in range(unfinished):
        replay.append(first=t == 0, last=False, number=replay.rows_written)


def drawn(replay: PrioritisedReplay, count: int = 20_000, seed: int = 0) -> dict[int, float]:
    """How often each row began a sub-sequence, as a share."""
    rows = replay.draw(np.random.default_rng(seed), count).rows.tolist()
    return {row: times / count for row, times in sorted(Counter(rows).items())}


def give(replay: PrioritisedReplay, priorities: dict[int, float]) -> None:
    replay.reprioritise(np.array(list(priorities)), np.array(list(priorities.values()), np.float32))


def test_the_last_steps_of_an_episode_begin_no_sub_sequence() -> None:
    """6 and 4 agent steps are 7 and 5 rows; sub-sequences of 3 rows begin at the first 4 and 2.

    A fifth and a third would fit in: the last two agent steps begin none.
    """
    replay = empty()
    play(replay, [6, 4], unfinished=5)
    assert list(drawn(replay)) == [0, 1, 2, 3, 7, 8]
    assert drawn(replay)[0] == pytest.approx(1 / 6, abs=0.01)


def test_the_end_for_good_of_an_episode_can_be_drawn() -> None:
    """It could not be learnt otherwise: 4 agent steps are 5 rows, of which rows 2 to 4 hold it."""
    columns = {"number": ((), np.int64), "terminated": ((), np.bool_)}
    replay = PrioritisedReplay(1000, LONGEST, columns, Rule(length=3, alpha=0.5, beta=0.4))
    for ends in (True, False):
        for t in range(5):
            replay.append(first=t == 0, last=t == 4, number=t, terminated=ends and t == 4)
    assert list(drawn(replay)) == [0, 1, 2, 5, 6]


@pytest.mark.parametrize(("steps", "enough"), [(1, False), (2, False), (3, True)])
def test_an_episode_must_be_longer_than_the_horizon(steps: int, *, enough: bool) -> None:
    replay = empty()
    play(replay, [steps], unfinished=6)
    assert replay.can_sample(3) is enough


def test_a_row_is_drawn_in_proportion_to_a_power_of_its_priority() -> None:
    """Alpha 1/2: priorities 1, 4, 16, 9 give 1, 2, 4, 3 of 10."""
    replay = empty(alpha=0.5)
    play(replay, [6])
    give(replay, {0: 1, 1: 4, 2: 16, 3: 9})
    shares = drawn(replay)
    assert list(shares.values()) == pytest.approx([0.1, 0.2, 0.4, 0.3], abs=0.01)


def test_rare_rows_weigh_more_and_the_rarest_weighs_one() -> None:
    """Beta 1/2: (N p)^-0.5 over its maximum is (p_min / p)^0.5."""
    replay = empty(alpha=1.0, beta=0.5)
    play(replay, [6])
    give(replay, {0: 1, 1: 4, 2: 16, 3: 4})
    draw = replay.draw(np.random.default_rng(0), 200)
    expected = {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.5}
    assert set(draw.rows.tolist()) == set(expected)
    assert draw.weights.dtype == np.float32
    found = dict(zip(draw.rows.tolist(), draw.weights.tolist(), strict=True))
    assert found == pytest.approx(expected, rel=1e-5)
    probability = np.array([1, 4, 16, 4]) / 25
    published = (7 * probability) ** -0.5
    assert [found[row] for row in range(4)] == pytest.approx(published / published.max())


def test_no_priority_is_so_small_that_a_row_is_never_drawn_again() -> None:
    """0 counts as 1e-6; to the power 0.6 that is 2.5e-4."""
    replay = empty(alpha=0.6)
    play(replay, [6])
    give(replay, dict.fromkeys(range(4), 0.0))
    assert replay.masses()[:4] == pytest.approx([2.512e-4] * 4, rel=1e-3)
    assert set(drawn(replay)) == {0, 1, 2, 3}


def test_a_new_episode_gets_the_highest_priority_there_is() -> None:
    """At the beginning 1, then the largest of all."""
    replay = empty(alpha=1.0)
    play(replay, [4])
    assert replay.masses().tolist() == [1, 1, 0, 0, 0]
    give(replay, {0: 3.0, 1: 0.5})
    play(replay, [3])
    assert replay.masses() == pytest.approx([3, 0.5, 0, 0, 0, 3, 0, 0, 0], rel=1e-5)


@pytest.mark.parametrize("capacity", [11, 12, 13, 17])
def test_rows_that_have_gone_are_never_drawn(capacity: int) -> None:
    """However often the ring has turned; those of the oldest episode that are left can be."""
    replay = empty(capacity)
    lengths = [5, 9, 4, 6, 8, 3, 9, 7, 2, 5]
    play(replay, lengths, unfinished=4)
    starts, row = [], 0
    for length in lengths:
        starts += range(row, row + length - 2)
        row += length + 1
    kept = [start for start in starts if start >= row - capacity]
    assert list(drawn(replay)) == kept
    numbers = replay.slices(np.array(kept), 3)["number"]
    assert numbers.tolist() == (np.array(kept) + np.arange(3)[:, None]).tolist()


def test_the_largest_possible_number_draws_the_last_row() -> None:
    class Highest:
        def random(self, size: int) -> np.ndarray:
            return np.full(size, np.nextafter(1.0, 0.0))

    replay = empty()
    play(replay, [6])
    give(replay, {row: 0.1 * row + 0.3 for row in range(4)})
    rng: np.random.Generator = Highest()  # type: ignore[assignment]
    assert replay.draw(rng, 2).rows.tolist() == [3, 3]


@pytest.mark.parametrize("capacity", [14, 1000])
@pytest.mark.parametrize("unfinished", [0, 5])
def test_masses_and_rows_restore_a_replay_that_goes_on_alike(
    capacity: int, unfinished: int
) -> None:
    replay, copy = empty(capacity), empty(capacity)
    play(replay, [6, 4, 9, 5])
    rows = replay.draw(np.random.default_rng(1), 50).rows
    replay.reprioritise(rows, np.random.default_rng(2).exponential(size=50).astype(np.float32))
    play(replay, [], unfinished=unfinished)
    first = replay.oldest_row
    middle = (first + replay.rows_written) // 2
    copy.load(
        [replay.rows(first, middle), replay.rows(middle, replay.rows_written)], first_row=first
    )
    copy.load_masses(replay.masses())
    for both in (replay, copy):
        if unfinished:
            both.append(first=False, last=True, number=both.rows_written)
        play(both, [7, 6])
    assert replay.masses().any() and np.array_equal(replay.masses(), copy.masses())
    one, other = (each.draw(np.random.default_rng(3), 100) for each in (replay, copy))
    assert np.array_equal(one.rows, other.rows) and np.array_equal(one.weights, other.weights)


def test_rows_that_an_episode_given_up_displaced_are_not_drawn() -> None:
    replay = empty(20)
    play(replay, [9, 9], unfinished=8)  # rows 0 to 19, and 8 of an episode that is given up
    play(replay, [], unfinished=9)
    assert min(drawn(replay)) >= replay.oldest_row == 8
