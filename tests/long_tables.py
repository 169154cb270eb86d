"""Long tables made up for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from tdmpc2_bench import longtable, registry
from tdmpc2_bench.sources import Source

Score = Callable[[str, int, int], float]  # task, seed, environment step -> score


def table(
    score: Score,
    *,
    tasks: Iterable[str],
    seeds: Iterable[int] = (1, 2, 3),
    steps: Iterable[int] = (0, 100_000, 200_000),
    **columns: Any,
) -> pd.DataFrame:
    """A row per task, seed and step, of agent "tdmpc2" unless ``columns`` say otherwise."""
    seeds, steps = list(seeds), list(steps)
    rows = []
    for row in map(registry.task, tasks):
        for seed in seeds:
            for step in steps:
                found = score(row.name, seed, step)
                value = found * (row.score_max or 1)
                rows.append(
                    {
                        "agent": "tdmpc2", "task": row.name, "suite": row.suite, "seed": seed,
                        "mode": "plan", "env_step": step, "metric": row.metric, "value": value,
                        "score": found, row.metric: value, "episodes": 10,
                        "fingerprint": f"f-{row.name}", "revision": 1, **columns,
                    }
                )  # fmt: skip
    return longtable.build(rows)


def source(name: str, *tables: pd.DataFrame) -> Source:
    return Source(name, pd.concat(tables, ignore_index=True))


def constant(per_seed: Sequence[float]) -> Score:
    """The score of seed 1, 2, ... at every step."""
    return lambda _task, seed, _step: per_seed[seed - 1]
