"""Every lane draws its own numbers, of the right law, whatever stands beside it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import plain
import pytest
import torch
from torch import Tensor

from tdmpc2_bench.baselines.noise import Noise

CPU = torch.device("cpu")


def every_draw(noise: Noise) -> list[Tensor]:
    lanes = len(noise.states())
    return [
        noise.normal(2, 3),
        noise.uniform(4),
        noise.dropout(0.3, 6, 5)(torch.ones(lanes, 6, 5)),
        noise.pair(5),
    ]


def test_a_lane_draws_alike_alone_and_beside_others() -> None:
    together, alone = plain.noise(3, 4, 5), plain.noise(4)
    for _ in range(2):
        for lanes, single in zip(every_draw(together), every_draw(alone), strict=True):
            assert lanes.shape == (3, *single.shape[1:])
            assert torch.equal(lanes[1], single[0])
            assert lanes.dtype == single.dtype


def test_pairs_are_two_different_heads_all_alike_probable() -> None:
    noise = plain.noise(3)
    pairs = Counter(tuple(sorted(noise.pair(4)[0].tolist())) for _ in range(3000))
    assert len(pairs) == 6 and all(len(set(pair)) == 2 for pair in pairs)
    assert list(pairs.values()) == pytest.approx([500] * 6, abs=90)


def test_of_two_heads_the_pair_is_both() -> None:
    assert sorted(plain.noise(3).pair(2)[0].tolist()) == [0, 1]


@pytest.mark.parametrize("rate", [0.01, 0.5, 0.99])
def test_every_entry_is_dropped_alike_often_and_by_itself(rate: float) -> None:
    rows, columns = 2000, 40
    drop = plain.noise(3, 4).dropout(rate, rows, columns)
    factors = drop(torch.ones(2, rows, columns))
    assert factors.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])
    dropped = (factors == 0).double()
    error = (rate * (1 - rate) / rows) ** 0.5
    assert dropped.mean((1, 2)).tolist() == pytest.approx([rate] * 2, abs=error)
    assert dropped.mean(1).flatten().tolist() == pytest.approx([rate] * 80, abs=4 * error)
    pairs = (dropped[..., 1:] * dropped[..., :-1]).mean((1, 2))  # neighbours
    assert pairs.tolist() == pytest.approx([rate**2] * 2, abs=error)


def test_what_is_dropped_gets_no_gradient_and_the_rest_the_factor() -> None:
    x = torch.randn(2, 30, 20, requires_grad=True)
    drop = plain.noise(3, 4).dropout(0.25, 30, 20)
    factors = drop(torch.ones(2, 30, 20))
    torch.testing.assert_close(drop(x), x * factors)
    grad = torch.randn(2, 30, 20)
    assert torch.equal(torch.autograd.grad(drop(x), x, grad)[0], grad * factors)


def test_draws_have_their_law() -> None:
    noise = plain.noise(3)
    normal, uniform = noise.normal(40_000), noise.uniform(40_000)
    assert (normal.mean().item(), normal.std().item()) == pytest.approx((0, 1), abs=0.02)
    assert uniform.min() >= 0 and uniform.max() < 1
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.01)


def test_a_restored_noise_goes_on() -> None:
    noise = plain.noise(3, 4)
    noise.normal(7)
    states = noise.states()
    expected = noise.normal(5), noise.pair(5)
    for _ in range(2):  # the saved states are no part of any generator
        restored = Noise.restored(states, CPU)
        assert torch.equal(restored.normal(5), expected[0])
        assert torch.equal(restored.pair(5), expected[1])


def test_streams_seed_the_lanes() -> None:
    one, other = (
        Noise.seeded([np.random.default_rng(s) for s in seeds], CPU).normal(4)
        for seeds in ((1, 2), (2, 1))
    )
    assert torch.equal(one, other.flip(0)) and not torch.equal(one[0], one[1])
