"""The floor of a profile is made of the right products, each by its fastest kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tdmpc2_bench import registry
from tdmpc2_bench.baselines import kernels, products, shares
from tdmpc2_bench.baselines.products import Product
from tdmpc2_bench.baselines.tdmpc2 import anatomy
from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config

WALKER = registry.task("walker-walk")


def flops(found: Any) -> float:
    return sum(product.flops for product in found)


def test_a_perceptron_forward_and_back_needs_three_products_a_layer() -> None:
    widths = [3, 5, 2]
    assert products.forward(widths, 7) == [Product(1, 7, 3, 5), Product(1, 7, 5, 2)]
    assert products.weight_gradients(widths, 7) == [Product(1, 3, 7, 5), Product(1, 5, 7, 2)]
    assert products.input_gradients(widths, 7) == [Product(1, 7, 5, 3), Product(1, 7, 2, 5)]
    kinds = (products.forward, products.weight_gradients, products.input_gradients)
    assert len({flops(kind(widths, 7, stack=4)) for kind in kinds}) == 1


def test_acting_of_size_5_on_walker_needs_36_gflop() -> None:
    """Per iteration: 3 steps of dynamics and reward, then policy and two Q-heads, 512 rows."""
    config = TDMPC2Config().resolved(WALKER)
    z_a, hidden, bins = 512 + 6, 512, 101
    dynamics = z_a * hidden + hidden * hidden + hidden * 512
    reward = z_a * hidden + hidden * hidden + hidden * bins
    policy = 512 * hidden + hidden * hidden + hidden * 12
    by_hand = 6 * 2 * 512 * (3 * (dynamics + reward) + policy + 2 * reward)
    assert flops(anatomy.act_products(config, WALKER)) == by_hand
    assert by_hand == pytest.approx(36e9, rel=0.03)


def test_an_update_of_size_5_needs_about_30_gflop() -> None:
    config = TDMPC2Config().resolved(WALKER)
    assert flops(anatomy.update_products(config, WALKER)) == pytest.approx(30e9, rel=0.05)


def test_settings_that_change_the_work_change_the_floor() -> None:
    def needed(**settings: Any) -> float:
        return flops(anatomy.act_products(TDMPC2Config(**settings).resolved(WALKER), WALKER))

    assert needed(iterations=3) == needed() / 2
    assert needed(num_samples=256) == needed() / 2
    assert needed(num_bins=1) < needed() < needed(horizon=4)


def test_equal_products_are_timed_once_and_counted_each(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[Callable[[], object]] = []

    def median(kernel: Callable[[], object]) -> float:
        timed.append(kernel)
        return float(len(timed))  # the first kernel of a product is its fastest

    monkeypatch.setattr(products, "median", median)
    monkeypatch.setattr(products, "_kernels", lambda *_: [lambda: None, lambda: None])
    a, b = Product(1, 2, 3, 4), Product(2, 2, 3, 4)
    assert products.floor([a, b, a, a], "cpu") == 3 * 1 + 1 * 3
    assert len(timed) == 4


@pytest.mark.parametrize("stack", [1, 3])
def test_every_kernel_does_the_same_product(stack: int) -> None:
    """Those of oneDNN are among them wherever they are at hand."""
    torch.manual_seed(0)
    with torch.no_grad():
        cpu = torch.device("cpu")
        found = [kernel() for kernel in products._kernels(Product(stack, 70, 96, 80), cpu)]
    assert len(found) == 1 + (stack == 1) + 2 * kernels.usable()
    for other in found[1:]:
        torch.testing.assert_close(other.view_as(found[0]), found[0], rtol=1e-4, atol=1e-4)


def test_shares_add_up_and_tell_products_from_the_rest() -> None:
    x = torch.randn(400, 400)

    def multiply() -> None:
        for _ in range(20):
            x @ x

    def add() -> None:
        for _ in range(200):
            x.exp()

    for work, kind in ((multiply, "products"), (add, "elementwise")):
        found = shares.shares(work)
        assert sum(found.values()) == pytest.approx(1.0, abs=0.02)
        assert max(found, key=lambda name: found[name]) == kind
    assert shares.shares(lambda: time.sleep(0.02))["python"] > 0.9
