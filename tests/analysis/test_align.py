"""Curves on common steps; tests/test_results.py has the mean curve."""

import numpy as np
import pytest

from tdmpc2_bench.analysis.align import final_score, on_grid

NAN = float("nan")


def test_a_value_is_carried_one_interval_and_no_further() -> None:
    steps, values = np.array([0, 100, 200]), np.array([0.0, 0.5, 0.7])
    grid = np.array([0, 50, 100, 250, 300, 301])
    found = on_grid(steps, values, grid, carry=100)
    np.testing.assert_array_equal(found, [0.0, 0.0, 0.5, 0.7, 0.7, NAN])


def test_nothing_is_extrapolated_before_the_first_evaluation_nor_across_a_gap() -> None:
    steps, values = np.array([100, 500]), np.array([0.5, 0.7])
    found = on_grid(steps, values, np.array([0, 100, 200, 300, 400, 500]), carry=100)
    np.testing.assert_array_equal(found, [NAN, 0.5, 0.5, NAN, NAN, 0.7])


def test_without_carrying_only_evaluated_steps_have_values() -> None:
    steps, values = np.array([0, 100]), np.array([0.1, 0.5])
    found = on_grid(steps, values, np.array([0, 99, 100]), carry=0)
    np.testing.assert_array_equal(found, [0.1, NAN, 0.5])


def test_an_evaluation_that_is_not_a_number_is_none() -> None:
    steps, values = np.array([0, 100, 200]), np.array([0.1, NAN, np.inf])
    found = on_grid(steps, values, np.array([0, 100, 200]), carry=100)
    np.testing.assert_array_equal(found, [0.1, 0.1, NAN])


def test_a_run_without_evaluations_has_no_values() -> None:
    none = on_grid(np.array([], np.int64), np.array([]), np.array([0, 100]), carry=100)
    np.testing.assert_array_equal(none, [NAN, NAN])
    assert np.isnan(final_score(np.array([NAN]), 3))


def test_the_final_score_is_the_mean_of_the_last_evaluations_not_the_best() -> None:
    values = np.array([0.0, 1.0, 0.4, 0.6, 0.8])
    assert final_score(values, 3) == pytest.approx(0.6)
    assert final_score(values, 1) == 0.8
    assert final_score(values, 99) == pytest.approx(values.mean())


def test_a_diverged_run_keeps_its_last_finite_evaluations() -> None:
    assert final_score(np.array([0.2, 0.4, NAN, np.inf]), 1) == 0.4


@pytest.mark.parametrize(
    ("steps", "values", "carry", "message"),
    [
        ([0, 100, 100], [0, 1, 2], 10, "average repeated steps"),
        ([0, 100], [0, 1, 2], 10, "3 values for 2 steps"),
        ([0, 100], [0, 1], -1, "carry is -1"),
    ],
)
def test_what_cannot_be_aligned_is_refused(
    steps: list[int], values: list[float], carry: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        on_grid(np.array(steps), np.array(values, float), np.array([0]), carry)


def test_no_evaluation_to_average_is_refused() -> None:
    with pytest.raises(ValueError, match="k is 0"):
        final_score(np.array([1.0]), 0)
