"""What is packed arrives as it was, however it is cut on the way."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tdmpc2_bench.env import Outcome
from tdmpc2_bench.worker import frames
from tdmpc2_bench.worker.frames import Kind

numbers = st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u1", "?"])
observations = numbers.flatmap(lambda dtype: arrays(dtype, st.integers(0, 7)))


ends = st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, False, True]))


@given(observations, st.floats(allow_nan=False), ends)
def test_an_outcome_arrives_bit_for_bit(
    obs: Any, reward: float, end: tuple[bool, bool, bool | None]
) -> None:
    sent = Outcome(obs, reward, *end)
    found = frames.unpack_outcome(frames.pack_outcome(sent))
    assert found.obs.dtype == obs.dtype and found.obs.tobytes() == obs.tobytes()
    assert found[1:] == sent[1:]


@pytest.mark.parametrize("reward", [np.float32(0.1), np.float64(0.1), np.array(0.1), 1, True])
def test_a_reward_of_any_kind_becomes_the_number_it_is(reward: Any) -> None:
    packed = frames.pack_outcome(Outcome(np.zeros(1), reward))
    assert frames.unpack_outcome(packed).reward == float(reward)


def test_numbers_that_are_not_finite_arrive() -> None:
    obs = np.array([np.nan, -np.inf, -0.0])
    found = frames.unpack_outcome(frames.pack_outcome(Outcome(obs, float("nan"))))
    assert found.obs.tobytes() == obs.tobytes() and np.isnan(found.reward)


@pytest.mark.parametrize("dtype", [object, "U3", "c16", ">f8"])
def test_what_is_no_plain_number_is_refused(dtype: Any) -> None:
    with pytest.raises(TypeError, match="expected an observation of numbers, got"):
        frames.pack_outcome(Outcome(np.zeros(2).astype(dtype), 0.0))


def test_a_picture_arrives_and_may_be_drawn_on() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    found = frames.unpack_picture(frames.pack_picture(picture[:, ::-1]))
    assert found.tolist() == picture[:, ::-1].tolist()
    found[0] = 0


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 30))
def test_frames_are_whole_however_they_are_cut(payloads: list[bytes], size: int) -> None:
    there, here = os.pipe()
    for number, payload in enumerate(payloads):
        frames.send(here, Kind.STEP, number, number + 2**40, payload)
    os.close(here)
    data = os.read(there, 1 << 16)
    os.close(there)
    cut, end = os.pipe()
    reader, found = frames.Reader(cut), []
    for start in range(0, len(data), size):
        os.write(end, data[start : start + size])
        assert reader.read()
        while (frame := reader.take()) is not None:
            found.append(frame)
    os.close(end)
    assert not reader.read()
    os.close(cut)
    assert found == [(n + 2**40, n, Kind.STEP, payload) for n, payload in enumerate(payloads)]
