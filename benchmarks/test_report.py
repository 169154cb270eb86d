"""What a whole report takes: the paper's 104 tasks, 4 agents with 5 seeds, 2,000 resamples."""

from __future__ import annotations

import math
import resource
from pathlib import Path
from typing import Any

import long_tables
import numpy as np

from tdmpc2_bench import registry
from tdmpc2_bench.reports import report
from tdmpc2_bench.sources import Source

HEIGHTS = {"tdmpc2": 0.9, "tdmpc": 0.8, "dreamerv3": 0.7, "sac": 0.6}  # final scores, about
SEEDS = (1, 2, 3, 4, 5)


def made_up() -> Source:
    """Curves that look like learning, at the paper's cadence up to the full budgets."""
    rng = np.random.default_rng(0)
    parts = []
    for agent, height in HEIGHTS.items():
        for row in registry.tasks():
            tops = np.clip(height + rng.normal(0, 0.1, len(SEEDS) + 1), 0.05, 1)
            pace = row.budget * rng.uniform(0.05, 0.3)
            parts.append(
                long_tables.table(
                    lambda _, seed, step, tops=tops, pace=pace: (
                        tops[seed] * (1 - math.exp(-step / pace))
                    ),
                    tasks=[row.name],
                    seeds=SEEDS,
                    steps=range(0, row.budget + 1, row.eval_every),
                    agent=agent,
                )
            )
    return long_tables.source("made up", *parts)


def test_report(benchmark: Any, tmp_path: Path) -> None:
    """Figures in all formats, tables and the page; beside the time the process's most memory."""
    source = made_up()
    benchmark.pedantic(report.write, args=([source], tmp_path), rounds=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    benchmark.extra_info.update(peak_gib=round(peak, 2))
