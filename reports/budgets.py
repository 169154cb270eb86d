"""Where in training lines are compared: at fixed budgets, as far as all have got, at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.analysis.align import Steps
from tdmpc2_bench.lines import Curve, Line, common_step

Floats = NDArray[np.float64]
Kind = Literal["scores", "values"]  # normalised, or in the unit of the task's metric

STEPS = {
    "100k": 100_000,
    "250k": 250_000,
    "500k": 500_000,
    "1M": 1_000_000,
    "2M": 2_000_000,
    "4M": 4_000_000,
}
COMMON = "common"
LAST = "last"
MEANING = {
    COMMON: "the last environment step that more than half of the seeds of every line with the "
    "task have got to",
    LAST: "the last evaluation of every run, wherever that was",
}


@dataclass(frozen=True)
class Budget:
    """How much training is looked at."""

    name: str  # of `STEPS`, `COMMON` or `LAST`
    steps: Mapping[str, int]  # environment steps by task; without a task where it has none

    @property
    def meaning(self) -> str:
        """What the name stands for, in words."""
        return MEANING.get(self.name, f"{self.name} environment steps")


def of(lines: Sequence[Line], tasks: Sequence[str]) -> tuple[Budget, ...]:
    """The budgets at which any line has a value, smallest first, then common and last."""
    fixed = [Budget(name, dict.fromkeys(tasks, step)) for name, step in STEPS.items()]
    reached = [
        budget
        for budget in fixed
        if any(np.isfinite(at(line, tasks, budget, "values")).any() for line in lines)
    ]
    common = {
        task: common_step([line for line in lines if task in line.curves], task) for task in tasks
    }
    shared = {task: step for task, step in common.items() if step is not None}
    return (*reached, Budget(COMMON, shared), Budget(LAST, {}))


def at(line: Line, tasks: Sequence[str], budget: Budget, kind: Kind = "scores") -> Floats:
    """What every run of a line had come to.

    Returns:
        Shape (runs, tasks): normalised scores, or values of the task's metric. NaN: there is no
        such run, or it has no evaluation there.
    """
    found = np.full((max(line.seeds, 1), len(tasks)), np.nan)
    for column, task in enumerate(tasks):
        for row, curve in enumerate(line.curves.get(task, ())):
            if budget.name == LAST:
                found[row, column] = getattr(curve, kind)[-1]
            elif task in budget.steps:
                found[row, column] = on(curve, np.array([budget.steps[task]]), kind)[0]
    return found


def on(curve: Curve, steps: Steps, kind: Kind = "scores") -> Floats:
    """One run at some environment steps, shape (steps,); NaN where no evaluation stands for one."""
    if kind == "values":
        curve = dataclasses.replace(curve, scores=curve.values)
    return curve.at(steps)
