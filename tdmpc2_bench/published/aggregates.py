"""What the published figures come to over suites: mean, interquartile mean and median.

Made the same way as the table of aggregates that was published beside them, and compared with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import groups as _groups
from tdmpc2_bench import registry

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = ("mean", "iqm", "median_of_task_means")
_PIXELS = "tdmpc2-pixels"  # an agent of 12 tasks, which belong to no other group
_TRIMMED = 0.25  # of the rows, at either end


def groups(agent: str) -> dict[str, frozenset[str]]:
    """The groups of tasks whose aggregates were published for an agent: name -> tasks."""
    tasks = registry.tasks()
    if agent == _PIXELS:
        return {"pixels-12": frozenset(task.name for task in tasks if "pixels" in task.tags)}
    return {one.name: frozenset(one.tasks) for one in _groups.of(task.name for task in tasks)}


def aggregates(seeds: pd.DataFrame) -> pd.DataFrame:
    """Scores over the tasks of each group, agent and budget.

    Columns: group, agent, budget, n_tasks, n_runs (tasks x seeds that have a record), mean (of the
    tasks' means), iqm (mean of all runs but the lowest and the highest quarter),
    median_of_task_means.

    Args:
        seeds: as `published.seeds` returns them.
    """
    import pandas as pd

    return pd.DataFrame([*_rows(seeds)])


def _rows(seeds: pd.DataFrame) -> Iterator[Mapping[str, Any]]:
    from scipy.stats import trim_mean

    for (agent, budget), rows in seeds.groupby(["agent", "budget"], sort=False):
        for group, tasks in groups(str(agent)).items():
            chosen = rows[rows["task"].isin(tasks)]
            if chosen.empty:
                continue
            means = chosen.groupby("task")["score"].mean()
            yield {
                "group": group,
                "agent": agent,
                "budget": budget,
                "n_tasks": len(means),
                "n_runs": len(chosen),
                "mean": float(means.mean()),
                "iqm": float(trim_mean(chosen["score"], _TRIMMED)),
                "median_of_task_means": float(means.median()),
            }
