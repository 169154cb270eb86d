"""Scores with a known truth, to see how often intervals and tests are right."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tdmpc2_bench.analysis.aggregate import Scores
from tdmpc2_bench.analysis.bootstrap import Resamples, interval


@dataclass(frozen=True)
class Agent:
    """Tasks of different difficulty, whose seeds spread differently; scores are in [0, 1]."""

    level: np.ndarray  # (tasks,)
    spread: np.ndarray  # (tasks,)

    @classmethod
    def on(cls, tasks: int, rng: np.random.Generator) -> "Agent":
        return cls(rng.beta(3, 1.2, tasks), np.exp(rng.normal(-3, 0.8, tasks)))

    def scores(self, rng: np.random.Generator, seeds: int) -> Scores:
        drawn = rng.normal(self.level, self.spread, (seeds, len(self.level)))
        return np.clip(drawn, 0, 1)


def coverage(
    statistic: Callable[[Scores], Scores],
    *,
    tasks: int,
    seeds: int,
    trials: int,
    rng: np.random.Generator,
) -> float:
    """How often the 95 % interval of a statistic holds what very many seeds give."""
    agent = Agent.on(tasks, rng)
    truth = statistic(agent.scores(rng, 20_000))
    hits = 0
    for _ in range(trials):
        draws = Resamples.draw(rng, runs=seeds, tasks=tasks, seed=0, reps=300)
        found = interval(statistic, (agent.scores(rng, seeds), draws))
        hits += bool(found.low <= truth <= found.high)
    return hits / trials
