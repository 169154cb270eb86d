"""What a task is: one row of the benchmark, as plain data.

Building the simulator is the suite's business (``tdmpc2_bench.suites``); finding a task by name,
glob or tag is the registry's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Metric = Literal["return", "success"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of the benchmark. Steps are environment steps unless the name says otherwise."""

    name: str  # public id, unique over all suites: "walker-run"
    suite: str  # module under suites/: "dmcontrol"
    env_id: str  # the simulator's own name: "walker/run"
    obs_dim: int  # length of the flat observation vector
    action_dim: int  # length of the action vector, each entry in [-1, 1]
    episode_steps: int  # time limit, environment steps
    action_repeat: int  # environment steps per agent step
    budget: int  # training length of the published curves, environment steps
    eval_every: int  # evaluation cadence of the published curves, environment steps
    metric: Metric  # what the headline curve shows
    score_max: float | None  # value of the metric that maps to a score of 1; None: not known
    source: str  # where the numbers of this row come from
    terminates: bool = False  # whether episodes may also end for good, before the time limit
    tags: frozenset[str] = frozenset()
    distributions: tuple[str, ...] = ()  # PyPI distributions it depends on beside its suite's
    aliases: tuple[str, ...] = ()  # other spellings of the name, accepted wherever a name is

    @property
    def episode_agent_steps(self) -> int:
        """Time limit in agent steps."""
        return self.episode_steps // self.action_repeat

    @property
    def discount(self) -> float:
        """Discount factor that TD-MPC2's rule gives for this episode length.

        Source: TD-MPC2 (arXiv 2310.16828), appendix on hyperparameters:
        gamma = clip((L/5 - 1) / (L/5), 0.95, 0.995), L in agent steps.
        """
        fraction = self.episode_agent_steps / 5
        return min(max((fraction - 1) / fraction, 0.95), 0.995)

    @property
    def seed_steps(self) -> int:
        """Random agent steps before learning starts: five episodes, at least 1000."""
        return max(1000, 5 * self.episode_agent_steps)
