"""How many seeds does it take to see a difference?

For the stratified Welch test of `equivalence.stratified_difference`, from how much the seeds of
each task spread. Both agents are taken to spread alike and to have equally many seeds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tdmpc2_bench.analysis.aggregate import Scores, counts, task_means

_MOST_SEEDS = 10_000


def seed_spread(scores: Scores) -> NDArray[np.float64]:
    """Standard deviation over the seeds of every task, in score.

    From three seeds it is rough for a task and usable over many.

    Args:
        scores: shape (runs, tasks), NaN where a task has no such run.

    Raises:
        ValueError: a task with fewer than 2 runs.
    """
    number = counts(scores)
    if number.min() < 2:  # noqa: PLR2004 (one seed does not spread)
        few = np.flatnonzero(number < 2).tolist()  # noqa: PLR2004
        msg = f"tasks {few} have fewer than 2 runs; expected 2 or more to tell how they spread"
        raise ValueError(msg)
    squares = np.nansum((scores - task_means(scores)) ** 2, axis=0)
    return np.asarray(np.sqrt(squares / (number - 1)))


def power(
    spread: NDArray[np.float64], difference: float, seeds: int, *, level: float = 0.05
) -> float:
    """Probability that the test finds a true difference.

    Scores of seeds are taken as normal. With 2 seeds and tasks that spread very differently the
    true power is higher.

    Args:
        spread: standard deviation over seeds of every task, in score, shape (tasks,).
        difference: true difference of the means over tasks, in score.
        seeds: per task and agent, 2 or more.
        level: of the two-sided test.

    Returns:
        A probability; for no difference it is the test's true size, the level or a little less.

    Raises:
        ValueError: fewer than 2 seeds.
    """
    if seeds < 2:  # noqa: PLR2004 (one seed has no variance)
        msg = f"{seeds} seeds; expected 2 or more, one has no variance to judge a difference by"
        raise ValueError(msg)
    variances = spread**2
    if not variances.any():
        return 1.0 if difference else 0.0
    error = np.sqrt(2 * variances.sum() / seeds) / len(spread)
    freedom = 2 * (seeds - 1) * variances.sum() ** 2 / (variances**2).sum()
    # The test estimates its freedom from squared variances, whose error makes it lower than that.
    estimated = freedom * (1 + 2 / freedom) / (1 + 2 / (seeds - 1))
    critical = stats.t.isf(level / 2, estimated)
    shift = abs(difference) / error
    beyond = stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)
    return float(beyond)


def seeds_needed(
    spread: NDArray[np.float64], difference: float, *, target: float = 0.8, level: float = 0.05
) -> int:
    """Fewest seeds per task and agent with which a difference is found often enough.

    Args:
        spread: standard deviation over seeds of every task, in score, shape (tasks,).
        difference: true difference of the means over tasks, in score; not 0.
        target: the power wanted.
        level: of the two-sided test.

    Raises:
        ValueError: not even 10,000 seeds would do.
    """
    low, high = 1, 2  # the first is too few, the second perhaps enough
    while power(spread, difference, high, level=level) < target:
        low, high = high, 2 * high
        if high > _MOST_SEEDS:
            msg = f"{_MOST_SEEDS} seeds do not show a difference of {difference}; ask for a larger"
            raise ValueError(msg)
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(spread, difference, middle, level=level) >= target
        low, high = (low, middle) if enough else (middle, high)
    return high
