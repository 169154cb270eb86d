"""Aggregates: cases by hand, scipy and rliable as references, batches as one by one."""

from collections.abc import Callable

import numpy as np
import pytest

from tdmpc2_bench.analysis import aggregate

stats = pytest.importorskip("scipy.stats")

NAN = float("nan")
# Two runs of the first task, three of the second: means 0.3 and 0.7.
UNEVEN = np.array([[0.2, 0.4], [0.4, 0.7], [NAN, 1.0]])
STATISTICS = [
    aggregate.mean,
    aggregate.median,
    aggregate.iqm,
    aggregate.optimality_gap,
    aggregate.task_means,
    lambda scores: aggregate.performance_profile(scores, [0.0, 0.3, 0.8]),
    lambda scores: aggregate.probability_of_improvement(scores, scores + 0.1),
]


def with_gaps(*shape: int) -> np.ndarray:
    """Scores with missing runs, and at least one of every task."""
    rng = np.random.default_rng(3)
    scores = rng.random(shape)
    scores[rng.random(shape) < 0.3] = NAN
    scores[..., 0, :] = 0.5
    return scores


def test_means_count_tasks_the_same_however_many_runs_they_have() -> None:
    assert aggregate.task_means(UNEVEN) == pytest.approx([0.3, 0.7])
    assert aggregate.mean(UNEVEN) == pytest.approx(0.5)


def test_the_median_is_that_of_task_means() -> None:
    scores = np.array([[0.0, 0.2, 0.9], [0.2, 0.4, 0.9]])
    assert aggregate.median(scores) == pytest.approx(0.3)


def test_the_interquartile_mean_cuts_a_quarter_off_either_end() -> None:
    scores = np.array([[7.0, 1, 5, 3], [0, 100, 4, -9]])
    assert aggregate.iqm(scores) == pytest.approx((1 + 3 + 4 + 5) / 4)


def test_the_interquartile_mean_leaves_missing_runs_out() -> None:
    assert aggregate.iqm(UNEVEN) == pytest.approx((0.4 + 0.4 + 0.7) / 3)


@pytest.mark.parametrize("runs", range(1, 12))
def test_the_interquartile_mean_is_scipys_trimmed_mean(runs: int) -> None:
    scores = with_gaps(runs, 3)
    expected = stats.trim_mean(scores[~np.isnan(scores)], 0.25)
    assert aggregate.iqm(scores) == pytest.approx(expected)


def test_the_optimality_gap_is_not_closed_by_runs_above_the_target() -> None:
    scores = np.array([[0.2, 1.5], [0.6, 0.9]])
    assert aggregate.optimality_gap(scores) == pytest.approx((0.6 + 0.05) / 2)
    assert aggregate.optimality_gap(scores, target=0.5) == pytest.approx(0.075)


def test_a_profile_is_the_fraction_of_runs_strictly_above_with_tasks_alike() -> None:
    found = aggregate.performance_profile(UNEVEN, [0.2, 0.4, 0.99, 1.0])
    assert found == pytest.approx([(1 / 2 + 1) / 2, (0 + 2 / 3) / 2, 1 / 6, 0.0])


def test_improvement_counts_pairs_of_runs_and_half_for_ties() -> None:
    x = np.array([[1.0, 0.5], [0.0, 0.5]])
    y = np.array([[0.5, 0.5], [0.5, 0.2], [0.5, 0.9]])
    # First task: 3 of 6 pairs. Second: per run of X one tie, one win, one loss.
    assert aggregate.probability_of_improvement(x, y) == pytest.approx(0.5)
    assert aggregate.probability_of_improvement(x, x - 2) == 1.0


def test_improvement_is_the_mean_of_mann_whitney_statistics() -> None:
    x, y = np.round(with_gaps(6, 4), 1), np.round(with_gaps(4, 4), 1)
    expected = [
        stats.mannwhitneyu(mine, other, nan_policy="omit").statistic
        / (np.isfinite(mine).sum() * np.isfinite(other).sum())
        for mine, other in zip(x.T, y.T, strict=True)
    ]
    assert aggregate.probability_of_improvement(x, y) == pytest.approx(np.mean(expected))


@pytest.mark.filterwarnings("ignore")  # of what rliable imports
def test_aggregates_agree_with_rliable() -> None:
    metrics = pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.8, 0.3, (5, 26)), rng.normal(0.7, 0.3, (3, 26))
    assert aggregate.mean(x) == pytest.approx(metrics.aggregate_mean(x))
    assert aggregate.median(x) == pytest.approx(metrics.aggregate_median(x))
    assert aggregate.iqm(x) == pytest.approx(metrics.aggregate_iqm(x))
    assert aggregate.optimality_gap(x) == pytest.approx(metrics.aggregate_optimality_gap(x))
    improvement = aggregate.probability_of_improvement(x, y)
    assert improvement == pytest.approx(metrics.probability_of_improvement(x, y))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_batches_give_what_each_alone_gives(statistic: Callable) -> None:
    scores = with_gaps(2, 3, 5, 4)
    together = statistic(scores)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(together[index], statistic(scores[index]), rtol=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_task_without_any_run_leaves_no_number_in_its_batch_only(statistic: Callable) -> None:
    scores = with_gaps(2, 3, 4)
    scores[1, :, 2] = NAN
    found = statistic(scores)
    assert np.isfinite(found[0]).all() and np.isnan(found[1]).any()


@pytest.mark.parametrize("shape", [(3,), (0, 4), (3, 0)])
def test_scores_without_runs_or_tasks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="none of them empty"):
        aggregate.iqm(np.zeros(shape))


def test_agents_on_different_tasks_are_not_compared() -> None:
    with pytest.raises(ValueError, match="4 tasks and 3"):
        aggregate.probability_of_improvement(np.zeros((2, 4)), np.zeros((2, 3)))


def test_the_area_is_the_mean_height_in_score() -> None:
    steps = np.array([0, 100, 400])
    curves = np.array([[0.0, 0.5, 0.0], [1.0, 0.5, NAN], [1.0, 0.5, 1.0]])
    np.testing.assert_allclose(
        aggregate.area_under_curve(steps, curves), [(50 + 300) / 400, 0.5, NAN]
    )
    assert aggregate.area_under_curve(steps, curves[:, 0]) == pytest.approx(0.875)


def test_the_first_evaluated_step_at_the_target_is_told_or_infinity() -> None:
    steps = np.array([0, 100, 200])
    curves = np.array([[0.0, 0.0, 0.8], [0.5, 0.2, NAN], [0.4, 0.3, 0.9]])
    assert aggregate.steps_to(steps, curves, 0.5).tolist() == [100, np.inf, 0]
    assert aggregate.steps_to(steps, curves[:, 0], 0.45) == 100


def test_scores_at_a_budget_are_those_of_its_step_on_the_grid() -> None:
    steps, curves = np.array([0, 100, 200]), np.arange(12.0).reshape(3, 2, 2)
    np.testing.assert_array_equal(aggregate.at_budget(steps, curves, 100), [[4, 5], [6, 7]])
    with pytest.raises(ValueError, match="no step 150 on the grid from 0 to 200"):
        aggregate.at_budget(steps, curves, 150)


def test_curves_and_steps_must_belong_together() -> None:
    with pytest.raises(ValueError, match="2 steps and values of shape"):
        aggregate.steps_to(np.array([0, 1]), np.zeros((3, 2)), 0.5)
    with pytest.raises(ValueError, match="expected 2 or more steps"):
        aggregate.area_under_curve(np.array([0]), np.zeros((1, 2)))
