"""What TD-MPC2's time is made of, for a profile: its matrix products, and its draw of a batch."""

from __future__ import annotations

from collections.abc import Iterator

from tdmpc2_bench.baselines.products import (
    Product,
    forward,
    input_gradients,
    weight_gradients,
)
from tdmpc2_bench.baselines.tdmpc2.agent import TDMPC2
from tdmpc2_bench.baselines.tdmpc2.config import ResolvedConfig, widths
from tdmpc2_bench.task import Task


def act_products(config: ResolvedConfig, task: Task) -> Iterator[Product]:
    """Those of one decision as the method is written.

    Every candidate goes through every step of every iteration, two Q-heads judge its end.
    """
    net, rows = widths(config, task), config.num_samples
    for _ in range(config.iterations):
        for _ in range(config.horizon):
            yield from forward(net["dynamics"], rows)
            yield from forward(net["reward"], rows)
        yield from forward(net["policy"], rows)
        yield from forward(net["q"], rows, stack=2)


def update_products(config: ResolvedConfig, task: Task) -> Iterator[Product]:
    """Those of one update: targets, world model forward and back, policy forward and back."""
    net, batch, steps = widths(config, task), config.batch_size, config.horizon
    rows = batch * steps
    # Targets, without gradients.
    yield from forward(net["encoder"], rows)
    yield from forward(net["policy"], rows)
    yield from forward(net["q"], rows, stack=2)
    # World model; the observation needs no gradient.
    yield from forward(net["encoder"], batch)
    yield from weight_gradients(net["encoder"], batch)
    yield from input_gradients(net["encoder"][1:], batch)
    for kind in (forward, weight_gradients, input_gradients):
        for _ in range(steps):
            yield from kind(net["dynamics"], batch)
        yield from kind(net["reward"], rows)
        yield from kind(net["q"], rows, stack=config.num_q)
    # Policy: the Q-heads pass gradients on but get none.
    rows = batch * (steps + 1)
    yield from forward(net["policy"], rows)
    yield from weight_gradients(net["policy"], rows)
    yield from input_gradients(net["policy"][1:], rows)
    yield from forward(net["q"], rows, stack=2)
    yield from input_gradients(net["q"], rows, stack=2)


def sample(agent: TDMPC2) -> None:
    """Draw the batch of an update."""
    agent.batch()


def kernels(agent: TDMPC2) -> str:
    """With which kernels it learns and acts."""
    return str(agent.kernels)
