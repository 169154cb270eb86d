"""Acting and learning cost little more than the matrix products they consist of.

Both sides run in this process, interleaved, on one thread, and only their ratio is judged, so
that a busy or slow machine changes nothing. Run with -s to see the milliseconds.
"""

import time
from collections.abc import Callable, Iterator

import pytest
import torch

from tdmpc2_bench.baselines import products
from tdmpc2_bench.baselines.products import Product
from tdmpc2_bench.baselines.tdmpc2 import anatomy
from tdmpc2_bench.calibration import Rehearsal

pytestmark = pytest.mark.slow

ACT_GOAL, UPDATE_GOAL = 1.5, 1.8
MARGIN = 1.3  # above the goals, for the noise of shared machines


def multiply(needed: list[Product]) -> Callable[[], None]:
    """Do all products, each by its fastest kernel, on operands made beforehand."""
    kernels = {product: products.fastest(product, "cpu").kernel for product in set(needed)}

    @torch.no_grad()
    def run() -> None:
        for product in needed:
            kernels[product]()

    return run


def rehearsal(size: int) -> Rehearsal:
    """An agent that owes updates."""
    request = {"agent": "tdmpc2", "preset": "paper", "overrides": {"size": size}}
    return Rehearsal({**request, "task": "walker-walk", "device": "cpu"})


def compare(ours: Callable[[], object], needed: list[Product], name: str) -> float:
    """Median ratio of interleaved runs, after a warm-up."""
    bare = multiply(needed)
    pairs = []
    for _ in range(6):
        times = []
        for action in (ours, bare):
            begin = time.perf_counter()
            action()
            times.append(time.perf_counter() - begin)
        pairs.append(times)
    pairs = pairs[1:]
    ratios = sorted(a / b for a, b in pairs)
    ms = [1e3 * sorted(column)[2] for column in zip(*pairs, strict=True)]
    words = f"{name}: {ms[0]:.0f} ms, bare products {ms[1]:.0f} ms, ratio {ratios[2]:.2f}"
    print(f"\n{words}")  # noqa: T201 - for whoever asks with -s
    return ratios[2]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", [1, 5])
def test_acting_costs_little_more_than_its_products(size: int) -> None:
    agent = rehearsal(size)
    needed = list(anatomy.act_products(agent.config, agent.task))
    ratio = compare(agent.decision(1, "train"), needed, f"act, size {size}")
    if size == 5:
        assert ratio < ACT_GOAL * MARGIN


@pytest.mark.parametrize("size", [1, 5])
def test_an_update_costs_little_more_than_its_products(size: int) -> None:
    agent = rehearsal(size)
    needed = list(anatomy.update_products(agent.config, agent.task))
    ratio = compare(agent.agent.update, needed, f"update, size {size}")
    if size == 5:
        assert ratio < UPDATE_GOAL * MARGIN
