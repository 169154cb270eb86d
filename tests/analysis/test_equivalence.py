"""Equivalence: Welch's test by scipy, verdicts by hand, error rates by simulation."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from scipy import stats

from tdmpc2_bench.analysis.equivalence import Difference, equivalence, stratified_difference

NAN = float("nan")


def around(difference: float, spread: float, *, tasks: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Two agents with exactly this difference in every task, three seeds at even distances."""
    level = np.linspace(0.2, 0.8, tasks)
    y = level + spread * np.array([[-1.0], [0.0], [1.0]])
    return y + difference, y


def test_one_task_is_welchs_test() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.3, 0.1, (6, 1)), rng.normal(0.2, 0.3, (4, 1))
    expected = stats.ttest_ind(x[:, 0], y[:, 0], equal_var=False)
    found = stratified_difference(x, y)
    assert found.freedom == pytest.approx(expected.df)
    assert found.p_zero() == pytest.approx(expected.pvalue)
    limits = expected.confidence_interval(0.9)
    assert found.interval(0.9) == pytest.approx((limits.low, limits.high))


def test_variances_of_tasks_add_up() -> None:
    x = np.array([[0.0, 0.4], [0.2, 0.4], [NAN, 0.7]])  # variances of means 0.01, 0.01
    y = np.array([[0.1, 0.0], [0.1, 0.2]])  # 0, 0.01
    found = stratified_difference(x, y)
    assert found.estimate == pytest.approx((0.0 + 0.4) / 2)
    assert found.error == pytest.approx(np.sqrt(0.03) / 2)
    assert found.freedom == pytest.approx(0.03**2 / (0.01**2 / 1 + 0.01**2 / 2 + 0.01**2 / 1))


def test_batches_give_what_each_alone_gives() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((4, 3, 6)), rng.random((4, 3, 6))
    together = stratified_difference(x, y)
    for batch in range(4):
        alone = stratified_difference(x[batch], y[batch])
        assert together.p_zero()[batch] == pytest.approx(alone.p_zero())
        assert together.p_above(0.1)[batch] == pytest.approx(alone.p_above(0.1))


@pytest.mark.parametrize(
    ("difference", "spread", "verdict"),
    [
        (0.0, 0.01, "match"),
        (0.02, 0.01, "match"),  # a significant difference, and a small one
        (0.0, 0.105, "match"),  # by limits at 90 %; those at 95 % are wider than the margin
        (0.0, 0.12, "inconclusive"),
        (0.2, 0.02, "better"),
        (-0.2, 0.02, "worse"),
        (-0.049, 0.01, "worse"),  # within the margin, but not shown to be
    ],
)
def test_verdicts(difference: float, spread: float, verdict: str) -> None:
    found = equivalence(*around(difference, spread))
    assert found.verdict == verdict
    assert found.difference == pytest.approx(difference)
    assert (found.verdict == "match") == (max(-found.low, found.high) < 0.05)
    assert found.low < difference < found.high
    assert found.describe().startswith(f"{verdict}: {difference:.3f} [")


def test_the_margin_decides() -> None:
    x, y = around(0.03, 0.01)
    assert equivalence(x, y, margin=0.05).verdict == "match"
    assert equivalence(x, y, margin=0.01).verdict == "better"
    with pytest.raises(ValueError, match="margin is 0"):
        equivalence(x, y, margin=0)


def test_fewer_than_five_tasks_or_two_seeds_are_not_enough() -> None:
    x, y = around(0.0, 0.01, tasks=4)
    assert equivalence(x, y).describe() == "not enough: 4 tasks, 3 seeds; needs 5 tasks and 2 seeds"
    x, y = around(0.0, 0.01, tasks=10)
    y[1:, 4] = NAN
    found = equivalence(x, y)
    assert found.verdict == "not enough" and found.seeds == 1 and np.isnan(found.difference)
    assert equivalence(*around(0.0, 0.01, tasks=5)).verdict == "match"


def test_seeds_that_all_agree_leave_no_doubt() -> None:
    same = np.full((3, 6), 0.5)
    assert equivalence(same, same).verdict == "match"
    assert equivalence(same, same).p_difference == 1.0
    assert equivalence(same, same + 0.1).verdict == "worse"
    assert equivalence(same + 0.1, same).p_difference == 0.0


def simulated(
    tasks: int, seeds: int, *, even: bool, difference: float, trials: int = 2000
) -> Difference:
    """Two agents that truly differ by so much, whose spread varies over tasks unless `even`."""
    rng = np.random.default_rng(4)
    spread = np.full(tasks, 0.1) if even else np.exp(rng.normal(-3, 1.2, tasks))
    x, y = rng.normal(0, spread, (2, trials, seeds, tasks))
    return stratified_difference(x + difference, y)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize(("tasks", "seeds"), [(5, 3), (10, 2), (10, 3), (40, 3), (104, 3), (10, 5)])
def test_neither_a_false_match_nor_a_false_difference_is_more_frequent_than_one_in_twenty(
    tasks: int, seeds: int, *, even: bool
) -> None:
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    found = simulated(tasks, seeds, even=even, difference=0.0)
    assert 0.01 <= np.mean(found.p_zero() <= 0.05) <= most
    edge = simulated(tasks, seeds, even=even, difference=0.05)  # just not the same
    match = (edge.p_above(-0.05) <= 0.05) & (1 - edge.p_above(0.05) <= 0.05)
    assert np.mean(match) <= most


def test_a_true_match_is_found_with_three_seeds_and_many_tasks() -> None:
    found = simulated(104, 3, even=True, difference=0.0)
    match = (found.p_above(-0.05) <= 0.05) & (1 - found.p_above(0.05) <= 0.05)
    assert np.mean(match) > 0.95


def test_different_tasks_and_single_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="a task with 1 runs"):
        stratified_difference(np.zeros((3, 4)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match="4 tasks and 5"):
        stratified_difference(np.zeros((3, 4)), np.zeros((3, 5)))
