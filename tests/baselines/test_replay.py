"""The replay against a list of episodes that forgets nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdmpc2_bench.baselines.replay import Replay

LONGEST = 9  # agent steps


def empty(capacity: int = 1000) -> Replay:
    return Replay(capacity, LONGEST, {"obs": ((2,), np.float32), "number": ((), np.int64)})


def play(replay: Replay, lengths: Iterable[int], unfinished: int = 0) -> list[list[int]]:
    """Store episodes of so many agent steps; the rows' numbers, episode by episode.

    Args:
        replay: stores them.
        lengths: agent steps of the completed episodes.
        unfinished: rows of an episode in progress at the end.
    """
    episodes, number = [], replay.rows_written
    for length in lengths:
        episodes.append(list(range(number, number + length + 1)))
        for row in episodes[-1]:
            _append(replay, row, first=row == number, last=row == number + length)
        number += length + 1
    for row in range(number, number + unfinished):
        _append(replay, row, first=row == number, last=False)
    return episodes


def _append(replay: Replay, row: int, *, first: bool, last: bool) -> None:
    obs = np.array([row, -row], np.float32)
    replay.append(first=first, last=last, obs=obs, number=row)


def possible_slices(
    episodes: Sequence[Sequence[int]], capacity: int, length: int
) -> list[list[int]]:
    """First rows of the slices that may be drawn, episode by episode that has any."""
    kept = set([row for rows in episodes for row in rows][-capacity:])
    held = [[row for row in rows if row in kept] for rows in episodes]
    starts = [rows[: len(rows) - length + 1] for rows in held if len(rows) >= length]
    return [rows for rows in starts if rows]


def drawn_steps(replay: Replay, count: int = 4000) -> Counter[int]:
    """How often each step was drawn, by the row that it led to."""
    rows = replay.draw_steps(np.random.default_rng(0), count)
    steps = replay.steps(rows)
    np.testing.assert_array_equal(steps["number"], rows)
    np.testing.assert_array_equal(steps["next_obs"], np.stack([rows, -rows], axis=1))
    np.testing.assert_array_equal(steps["obs"], np.stack([rows - 1, 1 - rows], axis=1))
    return Counter(rows.tolist())


@given(
    lengths=st.lists(st.integers(1, LONGEST), max_size=12),
    unfinished=st.integers(2, LONGEST),
    capacity=st.integers(2, 40),
)
@settings(max_examples=60)
def test_every_step_whose_two_rows_are_held_is_drawn_and_no_other(
    lengths: list[int], unfinished: int, capacity: int
) -> None:
    """None joins two episodes; the episode in progress counts, and so does one half overwritten."""
    replay = empty(capacity)
    episodes = play(replay, lengths, unfinished)
    rows = [row for episode in episodes for row in episode][-capacity:]
    rows += range(replay.rows_written - unfinished, replay.rows_written)
    begins = {episode[0] for episode in episodes} | {replay.rows_written - unfinished}
    steps = {row for row in rows if row - 1 in rows and row not in begins}
    assert set(drawn_steps(replay)) == steps


def test_steps_are_drawn_uniformly() -> None:
    """Those of short episodes no more often than others, unlike slices."""
    replay = empty()
    play(replay, [1, 9, 4], unfinished=7)
    counts = drawn_steps(replay, 20_000)
    assert len(counts) == 1 + 9 + 4 + 6
    assert min(counts.values()) > 850 and max(counts.values()) < 1150  # 1000, 5 deviations


def drawn(replay: Replay, length: int, count: int = 4000, seed: int = 0) -> Counter[int]:
    """How often a slice began at each row; each slice must be of consecutive rows."""
    columns = replay.sample(np.random.default_rng(seed), count, length)
    number = columns["number"]
    assert number.shape == (length, count)
    assert (np.diff(number, axis=0) == 1).all()
    assert (columns["obs"][..., 0] == number).all() and (columns["obs"][..., 1] == -number).all()
    assert not columns["first"][1:].any() and not columns["last"][:-1].any()
    return Counter(number[0].tolist())


def test_an_episode_has_one_row_more_than_steps() -> None:
    """Row 0 is the reset's observation, row t the observation, action, reward of step t."""
    replay = Replay(
        100,
        5,
        {"obs": ((2,), np.float32), "action": ((1,), np.float32), "reward": ((), np.float32)},
    )
    for t in range(4):
        replay.append(
            first=t == 0, last=t == 3, obs=np.array([t, t + 0.5]), action=np.array([-t]), reward=t
        )
    assert replay.rows_written == 4 and replay.oldest_row == 0
    rows = replay.rows(0, 4)
    assert rows["obs"].tolist() == [[0, 0.5], [1, 1.5], [2, 2.5], [3, 3.5]]
    assert rows["action"].tolist() == [[0], [-1], [-2], [-3]]
    assert rows["reward"].tolist() == [0, 1, 2, 3]
    assert rows["first"].tolist() == [True, False, False, False]
    assert rows["last"].tolist() == [False, False, False, True]
    assert {rows[name].dtype for name in ("obs", "action", "reward")} == {np.dtype(np.float32)}


def test_only_completed_episodes_can_be_sampled() -> None:
    replay = empty()
    play(replay, [], unfinished=8)
    assert not replay.can_sample(4)
    replay = empty()
    play(replay, [4], unfinished=8)
    assert replay.can_sample(5) and not replay.can_sample(6)
    assert set(drawn(replay, 4)) == {0, 1}


def test_a_slice_may_hold_the_first_and_the_last_row_of_an_episode() -> None:
    replay = empty()
    play(replay, [3])
    assert set(drawn(replay, 4)) == {0}
    assert replay.sample(np.random.default_rng(0), 1, 4)["last"][:, 0].tolist() == [0, 0, 0, 1]


def test_episodes_are_drawn_alike_and_starts_alike_inside_them() -> None:
    """Rows per episode 6, 4, 9, 3: slices of 4 begin at 3, 1, 6 and no places."""
    replay, count = empty(), 30_000
    episodes = play(replay, [5, 3, 8, 2])
    starts = possible_slices(episodes, 1000, 4)
    assert starts == [[0, 1, 2], [6], [10, 11, 12, 13, 14, 15]]
    frequency = drawn(replay, 4, count)
    chi_square = 0.0
    for rows in starts:
        expected = count / len(starts) / len(rows)
        chi_square += sum((frequency[row] - expected) ** 2 / expected for row in rows)
    assert sum(frequency.values()) == sum(frequency[row] for rows in starts for row in rows)
    assert chi_square < 27.9  # the 0.1 % point of 9 degrees of freedom


def test_too_short_episodes_are_skipped() -> None:
    replay = empty()
    play(replay, [1, 2])
    assert not replay.can_sample(4)
    play(replay, [3])
    assert set(drawn(replay, 4)) == {5}


@pytest.mark.parametrize("unfinished", [0, 6])
@pytest.mark.parametrize("capacity", [12, 13, 14, 15, 19])
def test_exactly_the_newest_rows_of_completed_episodes_are_kept(
    capacity: int, unfinished: int
) -> None:
    """An episode in progress displaces nothing; the oldest counts with its remaining rows."""
    replay = empty(capacity)
    episodes = play(replay, [5, 9, 4, 6, 8, 3], unfinished=unfinished)
    completed = sum(map(len, episodes))
    frequency = drawn(replay, 1)
    assert set(frequency) == set(range(completed - capacity, completed))
    assert replay.oldest_row == completed - capacity
    starts = possible_slices(episodes, capacity, 4)
    frequency = drawn(replay, 4, 12_000)
    assert set(frequency) == {row for rows in starts for row in rows}
    for rows in starts:
        share = sum(frequency[row] for row in rows) / 12_000
        assert share == pytest.approx(1 / len(starts), abs=0.02)


def test_the_rest_of_an_overwritten_episode_is_skipped_when_too_short() -> None:
    """Of the first episode's 6 rows 3 remain, of the second's 10 all."""
    replay = empty(13)
    play(replay, [5, 9])
    assert set(drawn(replay, 4)) == set(range(6, 13))
    assert set(drawn(replay, 3)) == {3, *range(6, 14)}


def test_an_episode_longer_than_the_capacity_keeps_its_end() -> None:
    replay = empty(5)
    play(replay, [3, 9])
    assert set(drawn(replay, 4)) == {9, 10}


def test_stored_rows_are_copies() -> None:
    replay = empty()
    play(replay, [5])
    rows = replay.rows(0, 6)
    rows["obs"][:] = 7
    sample = replay.sample(np.random.default_rng(0), 2, 4)
    sample["obs"][:] = 7
    assert replay.rows(0, 6)["obs"][3].tolist() == [3, -3]


def test_a_start_inside_an_episode_is_restored() -> None:
    """The first segment begins at the oldest row, in the middle of an overwritten episode."""
    replay, copy = empty(13), empty(13)
    play(replay, [5, 9, 4])
    copy.load([replay.rows(replay.oldest_row, replay.rows_written)], first_row=replay.oldest_row)
    assert copy.oldest_row == replay.oldest_row == 8
    assert set(drawn(copy, 4)) == set(drawn(replay, 4))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, LONGEST), max_size=12),
    unfinished=st.integers(0, LONGEST),
    more=st.lists(st.integers(1, LONGEST), max_size=6),
    capacity=st.integers(4, 40),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    early=st.integers(0, 3),
)
def test_rows_and_load_restore_a_replay_that_goes_on_alike(
    *,
    lengths: list[int],
    unfinished: int,
    more: list[int],
    capacity: int,
    cuts: list[float],
    early: int,
) -> None:
    """Across any wrap-around, in any segments, the first of which may begin before the capacity."""
    replay, copy = empty(capacity), empty(capacity)
    play(replay, lengths, unfinished=unfinished)
    stop = replay.rows_written
    room = capacity + LONGEST + 1
    start = max(0, replay.oldest_row - early, stop - room)
    edges = sorted({start, stop, *(start + int(cut * (stop - start)) for cut in cuts)})
    segments = [replay.rows(a, b) for a, b in itertools.pairwise(edges)]
    copy.load(segments, first_row=start)
    for both in (replay, copy):  # finish the episode in progress, then play on
        number = both.rows_written
        if unfinished:
            _append(both, number, first=False, last=True)
        play(both, more)
    assert copy.rows_written == replay.rows_written
    assert copy.oldest_row == replay.oldest_row
    for length in (1, 4):
        assert copy.can_sample(length) == replay.can_sample(length)
        if replay.can_sample(length):
            one, other = (r.sample(np.random.default_rng(5), 64, length) for r in (replay, copy))
            assert one.keys() == other.keys()
            for name, column in one.items():
                assert np.array_equal(column, other[name]), name


def test_rows_of_an_episode_that_is_given_up_displace_others_and_never_mix_with_them() -> None:
    replay = empty(20)
    play(replay, [9, 9], unfinished=8)  # rows 0 to 19, and 8 of an episode that is given up
    play(replay, [], unfinished=10)  # the longest, up to its last step
    assert replay.oldest_row == 8
    sample = replay.sample(np.random.default_rng(0), 2000, 2)
    assert np.array_equal(sample["number"][1], sample["number"][0] + 1)
    assert sample["number"].min() >= 8
    held = replay.rows(replay.oldest_row, replay.rows_written)["number"]
    assert held.tolist() == list(range(8, 38))
