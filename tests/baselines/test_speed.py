"""Acting and learning cost little more than the matrix products they consist of.

Both sides run in this process, interleaved, on one thread, and only their ratio is judged, so
that a busy or slow machine changes nothing. Run with -s to see the milliseconds.
"""

import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from tdmpc2_bench.agent import Step
from tdmpc2_bench.baselines.tdmpc2.agent import TDMPC2, build
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig, TDMPC2Config
from tdmpc2_bench.registry import task

pytestmark = pytest.mark.slow

WALKER = task("walker-walk")
ACT_GOAL, UPDATE_GOAL = 1.5, 1.8
MARGIN = 1.3  # above the goals, for the noise of shared machines

Product = tuple[int, int, int, int]  # stack, rows, in, out


def forward(widths: list[int], rows: int, *, stack: int = 1) -> list[Product]:
    return [(stack, rows, a, b) for a, b in itertools.pairwise(widths)]


def weight_gradients(widths: list[int], rows: int, *, stack: int = 1) -> list[Product]:
    return [(stack, a, rows, b) for a, b in itertools.pairwise(widths)]


def input_gradients(widths: list[int], rows: int, *, stack: int = 1) -> list[Product]:
    return [(stack, rows, b, a) for a, b in itertools.pairwise(widths)]


def networks(config: ResolvedConfig) -> dict[str, list[int]]:
    hidden, z_a = [config.mlp_dim] * 2, config.latent_dim + WALKER.action_dim
    return {
        "encoder": [WALKER.obs_dim, config.enc_dim, config.latent_dim],
        "dynamics": [z_a, *hidden, config.latent_dim],
        "reward": [z_a, *hidden, config.num_bins],
        "q": [z_a, *hidden, config.num_bins],
        "policy": [config.latent_dim, *hidden, 2 * WALKER.action_dim],
    }


def act_products(config: ResolvedConfig) -> Iterator[Product]:
    """Every candidate through every step of every iteration, two Q heads at the end."""
    net, rows = networks(config), config.num_samples
    for _ in range(config.iterations):
        for _ in range(config.horizon):
            yield from forward(net["dynamics"], rows)
            yield from forward(net["reward"], rows)
        yield from forward(net["policy"], rows)
        yield from forward(net["q"], rows, stack=2)


def update_products(config: ResolvedConfig) -> Iterator[Product]:
    net, batch, steps = networks(config), config.batch_size, config.horizon
    rows = batch * steps
    # Targets, without gradients.
    yield from forward(net["encoder"], rows)
    yield from forward(net["policy"], rows)
    yield from forward(net["q"], rows, stack=2)
    # World model, forward and back; the observation needs no gradient.
    yield from forward(net["encoder"], batch)
    yield from weight_gradients(net["encoder"], batch)
    yield from input_gradients(net["encoder"][1:], batch)
    for kind in (forward, weight_gradients, input_gradients):
        for _ in range(steps):
            yield from kind(net["dynamics"], batch)
        yield from kind(net["reward"], rows)
        yield from kind(net["q"], rows, stack=config.num_q)
    # Policy: the Q heads pass gradients on but get none.
    rows = batch * (steps + 1)
    yield from forward(net["policy"], rows)
    yield from weight_gradients(net["policy"], rows)
    yield from input_gradients(net["policy"][1:], rows)
    yield from forward(net["q"], rows, stack=2)
    yield from input_gradients(net["q"], rows, stack=2)


def multiply(products: list[Product]) -> Callable[[], None]:
    """Do all products, on operands made beforehand."""
    operands = {
        (s, m, k, n): (torch.randn(s, m, k), torch.randn(s, k, n)) for s, m, k, n in products
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
        list(act_products(TDMPC2Config(size=size).resolved(WALKER))),
        f"act, size {size}",
    )
    if size == 5:
        assert ratio < ACT_GOAL * MARGIN


@pytest.mark.parametrize("size", [1, 5])
def test_an_update_costs_little_more_than_its_products(size: int) -> None:
    agent = ready_agent(size)
    products = list(update_products(TDMPC2Config(size=size).resolved(WALKER)))
    ratio = compare(agent.update, products, f"update, size {size}")
    if size == 5:
        assert ratio < UPDATE_GOAL * MARGIN
