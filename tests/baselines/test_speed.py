"""Acting and learning cost little more than the matrix products they consist of.

Both sides run in this process, interleaved, on one thread, and only their ratio is judged, so
that a busy or slow machine changes nothing. Run with -s to see the milliseconds.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from tdmpc2_bench.agent import Step
from tdmpc2_bench.baselines.products import Product
from tdmpc2_bench.baselines.tdmpc2 import anatomy
from tdmpc2_bench.baselines.tdmpc2.agent import TDMPC2, build
from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config
from tdmpc2_bench.registry import task

pytestmark = pytest.mark.slow

WALKER = task("walker-walk")
ACT_GOAL, UPDATE_GOAL = 1.5, 1.8
MARGIN = 1.3  # above the goals, for the noise of shared machines


def multiply(products: list[Product]) -> Callable[[], None]:
    """Do all products, on operands made beforehand."""
    operands = {
        one: (torch.randn(one[:3]), torch.randn(one.stack, one.inner, one.columns))
        for one in products
    }

    def run() -> None:
        for product in products:
            torch.bmm(*operands[product])

    return run


def ready_agent(size: int) -> TDMPC2:
    """An agent that owes many updates, from random data."""
    agent = build(TDMPC2Config(size=size, seed_steps=500), WALKER, [1])
    rng = np.random.default_rng(0)
    for t in range(502):
        first = t in {0, 501}
        agent.observe(
            Step(
                obs=rng.normal(size=(1, WALKER.obs_dim)).astype(np.float32),
                action=rng.uniform(-1, 1, (1, WALKER.action_dim)).astype(np.float32),
                reward=rng.uniform(size=1).astype(np.float32),
                first=np.array([first]),
                terminated=np.array([False]),
                truncated=np.array([t == 500]),
                active=np.array([True]),
            )
        )
    agent.observe(
        Step(
            obs=np.zeros((1, WALKER.obs_dim), np.float32),
            action=np.zeros((1, WALKER.action_dim), np.float32),
            reward=np.zeros(1, np.float32),
            first=np.array([False]),
            terminated=np.array([False]),
            truncated=np.array([False]),
            active=np.array([True]),
        )
    )
    return agent


def compare(ours: Callable[[], object], products: list[Product], name: str) -> float:
    """Median ratio of interleaved runs, after a warm-up."""
    bare = multiply(products)
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
    agent = ready_agent(size)
    carry = agent.carry(1, [np.random.default_rng(1)])
    obs, first = np.zeros((1, 1, WALKER.obs_dim), np.float32), np.array([[False]])
    ratio = compare(
        lambda: agent.act(obs, carry, first=first, mode="plan"),
        list(anatomy.act_products(TDMPC2Config(size=size).resolved(WALKER), WALKER)),
        f"act, size {size}",
    )
    if size == 5:
        assert ratio < ACT_GOAL * MARGIN


@pytest.mark.parametrize("size", [1, 5])
def test_an_update_costs_little_more_than_its_products(size: int) -> None:
    agent = ready_agent(size)
    products = list(anatomy.update_products(TDMPC2Config(size=size).resolved(WALKER), WALKER))
    ratio = compare(agent.update, products, f"update, size {size}")
    if size == 5:
        assert ratio < UPDATE_GOAL * MARGIN
