"""What TD-MPC2's decisions and updates take, and how near that is to their products alone."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from tdmpc2_bench.baselines import products
from tdmpc2_bench.baselines.tdmpc2 import anatomy
from tdmpc2_bench.calibration import Rehearsal

# Dimensions of walker, dog and Meta-World; the other sizes on walker.
CASES = (
    ("walker-walk", 5),
    ("dog-run", 5),
    ("mw-reach", 5),
    ("walker-walk", 1),
    ("walker-walk", 19),
)
each_case = pytest.mark.parametrize(("task", "size"), CASES)


@functools.cache
def rehearsal(task: str, size: int) -> Rehearsal:
    """An agent that owes updates."""
    request = {"agent": "tdmpc2", "preset": "paper", "overrides": {"size": size}, "task": task}
    return Rehearsal({**request, "device": "cpu"})


def measure(benchmark: Any, work: Any, needed: Any, agent: Rehearsal) -> None:
    """Time the work; beside it stand its floor and the ratio to that."""
    benchmark.pedantic(work, rounds=9, warmup_rounds=2)
    floor = products.floor(needed(agent.config, agent.task), "cpu")
    ratio = benchmark.stats.stats.median / floor
    kernels = anatomy.kernels(agent.agent)
    benchmark.extra_info.update(floor_s=floor, ratio=round(ratio, 3), kernels=kernels)


@each_case
def test_act(benchmark: Any, task: str, size: int) -> None:
    agent = rehearsal(task, size)
    measure(benchmark, agent.decision(1, "train"), anatomy.act_products, agent)


@each_case
def test_update(benchmark: Any, task: str, size: int) -> None:
    agent = rehearsal(task, size)
    measure(benchmark, agent.agent.update, anatomy.update_products, agent)
