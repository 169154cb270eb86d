"""What TD-MPC's time is made of, for a profile: TD-MPC2's products and the target encoder's."""

from __future__ import annotations

from collections.abc import Iterator

from tdmpc2_bench.baselines.products import Product, forward
from tdmpc2_bench.baselines.tdmpc.config import ResolvedTDMPCConfig
from tdmpc2_bench.baselines.tdmpc2 import anatomy
from tdmpc2_bench.baselines.tdmpc2.config import widths
from tdmpc2_bench.task import Task

act_products, sample, kernels = anatomy.act_products, anatomy.sample, anatomy.kernels


def update_products(config: ResolvedTDMPCConfig, task: Task) -> Iterator[Product]:
    """Those of one update."""
    yield from anatomy.update_products(config, task)
    if config.target_encoder:
        rows = config.batch_size * config.horizon
        yield from forward(widths(config, task)["encoder"], rows)
