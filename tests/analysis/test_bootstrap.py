"""The stratified bootstrap: what is drawn, what is repeated, how often it covers."""

import numpy as np
import pytest
import simulated_seeds

from tdmpc2_bench.analysis import aggregate, bootstrap
from tdmpc2_bench.analysis.bootstrap import Resamples, interval, resampled

NAN = float("nan")


def draws(runs: int, tasks: int, reps: int = 2000, seed: int = 7) -> Resamples:
    rng = np.random.default_rng(seed)
    return Resamples.draw(rng, runs=runs, tasks=tasks, seed=seed, reps=reps)


def all_of(scores: np.ndarray, reps: int = 200) -> np.ndarray:
    """Every resample of some scores, in one array."""
    (batch,) = draws(*scores.shape[-2:], reps=reps).batches(scores, reps)
    return batch


def test_every_task_is_resampled_from_its_own_runs() -> None:
    scores = np.arange(4)[:, None] + 10.0 * np.arange(3)
    drawn = all_of(scores)
    assert drawn.shape == (200, 4, 3)
    for task in range(3):
        assert set(np.unique(drawn[..., task])) == set(scores[:, task])
    assert (drawn[..., 0] + 10 != drawn[..., 1]).any()  # tasks are drawn independently


def test_runs_are_drawn_evenly() -> None:
    drawn = all_of(np.arange(5.0)[:, None], reps=20_000)
    share = np.bincount(drawn.astype(int).ravel()) / drawn.size
    assert share == pytest.approx(np.full(5, 0.2), abs=0.005)


def test_a_task_has_as_many_runs_in_a_resample_as_in_the_scores() -> None:
    scores = np.array([[NAN, 1.0, NAN], [2.0, 3.0, NAN], [4.0, 5.0, 6.0]])
    drawn = all_of(scores)
    assert ((~np.isnan(drawn)).sum(axis=1) == [2, 3, 1]).all()
    assert set(drawn[..., 0][~np.isnan(drawn[..., 0])]) == {2.0, 4.0}
    assert set(drawn[..., 2][~np.isnan(drawn[..., 2])]) == {6.0}


def test_all_steps_of_a_curve_see_the_same_seeds() -> None:
    curve = np.arange(3.0)[:, None] + 100.0 * np.arange(4)[:, None, None] + np.zeros((4, 3, 2))
    drawn = all_of(curve)
    np.testing.assert_array_equal(drawn[:, 1:] - drawn[:, :-1], np.full((200, 3, 3, 2), 100.0))


def test_a_run_missing_at_one_step_changes_no_other_step() -> None:
    curve = np.random.default_rng(0).random((3, 4, 2))
    gap = curve.copy()
    gap[1, 2, 0] = NAN
    whole, with_gap = all_of(curve), all_of(gap)
    np.testing.assert_array_equal(whole[:, [0, 2]], with_gap[:, [0, 2]])
    np.testing.assert_array_equal(whole[:, 1, :, 1], with_gap[:, 1, :, 1])
    assert np.isfinite(resampled(aggregate.iqm, (gap, draws(4, 2)))).all()


def test_some_of_the_tasks_keep_their_draws() -> None:
    scores = np.random.default_rng(0).random((4, 5))
    some = [3, 1]
    whole = next(draws(4, 5).batches(scores, 2000))
    part = next(draws(4, 5).of_tasks(some).batches(scores[:, some], 2000))
    np.testing.assert_array_equal(whole[..., some], part)


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    scores = np.random.default_rng(0).random((3, 10))
    first, again = (interval(aggregate.iqm, (scores, draws(3, 10))) for _ in range(2))
    other = interval(aggregate.iqm, (scores, draws(3, 10, seed=8)))
    assert (first.low, first.high) == (again.low, again.high) != (other.low, other.high)


def test_intervals_do_not_depend_on_how_many_resamples_are_held_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = np.random.default_rng(0).random((2, 3, 10))
    whole = resampled(aggregate.iqm, (scores, draws(3, 10)))
    monkeypatch.setattr(bootstrap, "_BATCH", 2 * 3 * 10 * 7)
    np.testing.assert_array_equal(whole, resampled(aggregate.iqm, (scores, draws(3, 10))))


def test_a_statistic_is_called_for_many_resamples_at_once() -> None:
    shapes = []

    def statistic(scores: np.ndarray) -> np.ndarray:
        shapes.append(scores.shape)
        return aggregate.mean(scores)

    resampled(statistic, (np.random.default_rng(0).random((5, 104)), draws(5, 104)))
    assert sum(shape[0] for shape in shapes) == 2000 and len(shapes) <= 3


def test_two_seeds_of_one_task_have_the_means_that_can_be_counted() -> None:
    means = resampled(aggregate.mean, (np.array([[0.0], [1.0]]), draws(2, 1, reps=20_000)))
    values, times = np.unique(means, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert times / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.015)


def test_limits_are_percentiles_and_stand_beside_how_they_were_made() -> None:
    scores = np.array([[0.0], [1.0]])
    found = interval(aggregate.mean, (scores, draws(2, 1)), level=0.9)
    assert (found.low, found.point, found.high) == (0.0, 0.5, 1.0)
    assert found.describe() == (
        "0.500 [0.000, 1.000] (90 % stratified bootstrap, 2000 resamples, seed 7)"
    )
    assert interval(aggregate.mean, (scores, draws(2, 1)), level=0.4).low == 0.5


def test_runs_that_agree_leave_no_width() -> None:
    same = np.tile([0.2, 0.8, 0.5], (3, 1))
    found = interval(aggregate.mean, (same, draws(3, 3)))
    assert found.low == found.point == found.high


def test_an_interval_of_a_curve_has_limits_at_every_step() -> None:
    curve = np.random.default_rng(0).random((6, 3, 10))
    curve[5, :, 0] = NAN  # no run of a task any more: no number there, the others stay
    found = interval(aggregate.iqm, (curve, draws(3, 10)))
    assert found.low.shape == found.high.shape == (6,)
    assert (found.low <= found.point)[:5].all() and (found.point <= found.high)[:5].all()
    assert np.isnan([found.low[5], found.point[5], found.high[5]]).all()


def test_an_interval_of_two_agents_lets_both_vary() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((5, 20)), rng.random((3, 20))
    of_x, of_y = draws(5, 20), draws(3, 20, seed=8)

    def gain(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return aggregate.mean(x) - aggregate.mean(y)

    variance = {
        name: resampled(statistic, *samples).var()
        for name, statistic, samples in [
            ("x", aggregate.mean, [(x, of_x)]),
            ("y", aggregate.mean, [(y, of_y)]),
            ("gain", gain, [(x, of_x), (y, of_y)]),
        ]
    }
    assert variance["gain"] == pytest.approx(variance["x"] + variance["y"], rel=0.1)


@pytest.mark.filterwarnings("ignore")  # of what rliable imports
def test_the_interval_agrees_with_rliables() -> None:
    library = pytest.importorskip("rliable.library")
    scores = np.random.default_rng(1).random((3, 20))
    before = np.random.get_state()  # noqa: NPY002 (rliable draws from the global generator)
    try:
        np.random.seed(7)  # noqa: NPY002
        _, limits = library.get_interval_estimates(
            {"agent": scores}, lambda x: np.array([aggregate.iqm(x)]), reps=2000
        )
    finally:
        np.random.set_state(before)  # noqa: NPY002
    found = interval(aggregate.iqm, (scores, draws(3, 20)))
    assert [float(found.low), float(found.high)] == pytest.approx(limits["agent"][:, 0], abs=0.006)


@pytest.mark.parametrize(
    ("seeds", "low", "high"), [(3, 0.79, 0.92), (5, 0.84, 0.95), (10, 0.88, 0.98)]
)
def test_with_few_seeds_intervals_cover_less_than_they_claim(
    seeds: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(11)
    found = simulated_seeds.coverage(aggregate.mean, tasks=39, seeds=seeds, trials=250, rng=rng)
    assert low <= found <= high


def test_a_task_alone_is_covered_by_three_seeds_in_three_cases_of_four() -> None:
    rng = np.random.default_rng(11)
    found = simulated_seeds.coverage(aggregate.mean, tasks=1, seeds=3, trials=400, rng=rng)
    assert found == pytest.approx(0.74, abs=0.06)


def test_what_does_not_fit_together_is_refused() -> None:
    scores = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"drawn for \(5, 4\)"):
        interval(aggregate.mean, (scores, draws(5, 4)))
    with pytest.raises(ValueError, match=r"\[10, 20\] resamples"):
        resampled(
            aggregate.probability_of_improvement,
            (scores, draws(3, 4, reps=10)),
            (scores, draws(3, 4, reps=20)),
        )
    with pytest.raises(ValueError, match="level is 95"):
        interval(aggregate.mean, (scores, draws(3, 4)), level=95)
