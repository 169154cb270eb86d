"""Power: a textbook case, a simulation, and the smallest number that is enough."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from tdmpc2_bench.analysis.equivalence import stratified_difference
from tdmpc2_bench.analysis.power import power, seed_spread, seeds_needed

NAN = float("nan")


def test_one_task_needs_what_textbooks_say() -> None:
    """Cohen 1988: 64 a side for half a standard deviation, 26 for 0.8, at 0.05 and 0.8."""
    assert seeds_needed(np.array([1.0]), 0.5) == 64
    assert seeds_needed(np.array([1.0]), 0.8) == 26


@pytest.mark.parametrize("uneven", [0.3, 1.2])
@pytest.mark.parametrize(("tasks", "seeds"), [(1, 3), (10, 3), (10, 5), (39, 3), (104, 3)])
def test_predicted_power_is_that_of_simulated_experiments(
    tasks: int, seeds: int, uneven: float
) -> None:
    rng = np.random.default_rng(6)
    spread = np.exp(rng.normal(-3, uneven, tasks))
    difference = 2.8 * np.sqrt(2 * (spread**2).sum() / seeds) / tasks
    x, y = rng.normal(0, spread, (2, 4000, seeds, tasks))
    found = np.mean(stratified_difference(x + difference, y).p_zero() <= 0.05)
    assert power(spread, difference, seeds) == pytest.approx(found, abs=0.03)


def test_fewest_seeds_are_enough_and_one_fewer_are_not() -> None:
    spread = np.linspace(0.02, 0.3, 20)
    for difference in (0.02, 0.05, 0.3):
        seeds = seeds_needed(spread, difference, target=0.9)
        assert power(spread, difference, seeds) >= 0.9
        assert seeds == 2 or power(spread, difference, seeds - 1) < 0.9


def test_without_a_difference_power_is_the_level() -> None:
    assert power(np.full(10, 0.1), 0.0, 20) == pytest.approx(0.05, abs=0.001)


def test_seeds_that_do_not_spread_show_any_difference() -> None:
    assert power(np.zeros(5), 0.01, 2) == 1.0 and power(np.zeros(5), 0.0, 2) == 0.0
    assert seeds_needed(np.zeros(5), 0.01) == 2


def test_the_spread_is_told_task_by_task_from_the_runs_there_are() -> None:
    scores = np.array([[0.0, 0.1], [0.2, 0.1], [0.4, NAN]])
    assert seed_spread(scores) == pytest.approx([0.2, 0.0])


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tasks \[1\] have fewer than 2 runs"):
        seed_spread(np.array([[0.0, 0.1], [0.2, NAN]]))
    with pytest.raises(ValueError, match="1 seeds; expected 2"):
        power(np.array([0.1]), 0.1, 1)
    with pytest.raises(ValueError, match="ask for a larger"):
        seeds_needed(np.array([0.1]), 0.0)
