"""Permutation tests: by hand, by brute force, by scipy, and on agents that are the same."""

import itertools

import numpy as np
import pytest

pytest.importorskip("scipy")

from scipy import stats

from tdmpc2_bench.analysis import significance
from tdmpc2_bench.analysis.equivalence import stratified_difference
from tdmpc2_bench.analysis.significance import aa_control, compare, compare_each_task, holm

NAN = float("nan")


def generator() -> np.random.Generator:
    return np.random.default_rng(5)


def two_agents(
    *, tasks: int, seeds: tuple[int, int] = (3, 3), gain: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    level = rng.random(tasks)
    return rng.normal(level + gain, 0.1, (seeds[0], tasks)), rng.normal(
        level, 0.1, (seeds[1], tasks)
    )


def test_three_against_three_cannot_have_p_below_a_tenth() -> None:
    x, y = np.array([[7.0], [8.0], [9.0]]), np.array([[1.0], [2.0], [3.0]])
    found = compare(x, y, generator())
    assert found.p == pytest.approx(2 / 20) and found.exact and found.relabellings == 20
    assert found.difference == 6.0 and found.improvement == 1.0


@pytest.mark.parametrize("size", [3, 4, 5])
def test_p_of_one_task_is_scipys(size: int) -> None:
    x, y = two_agents(tasks=1, seeds=(size, size), gain=0.08)
    expected = stats.permutation_test(
        (x[:, 0], y[:, 0]),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        vectorized=True,
        n_resamples=np.inf,
    )
    assert compare(x, y, generator()).p == pytest.approx(expected.pvalue)


def test_p_over_tasks_is_that_of_all_relabellings_within_tasks() -> None:
    x = np.array([[0.5, 10.0], [0.7, 11.0], [NAN, 12.5]])
    y = np.array([[0.1, 10.5], [0.6, 9.0], [0.2, NAN]])
    pools = [([0.5, 0.7, 0.1, 0.6, 0.2], 2), ([10.0, 11.0, 12.5, 10.5, 9.0], 3)]

    def differences(pool: list[float], size: int) -> list[float]:
        found = []
        for mine in itertools.combinations(range(len(pool)), size):
            other = [value for place, value in enumerate(pool) if place not in mine]
            found.append(np.mean([pool[place] for place in mine]) - np.mean(other))
        return found

    both = [sum(pair) / 2 for pair in itertools.product(*(differences(*pool) for pool in pools))]
    observed = (0.6 - 0.3 + 67 / 6 - 9.75) / 2
    expected = np.mean([abs(value) >= observed - 1e-12 for value in both])
    found = compare(x, y, generator())
    assert found.difference == pytest.approx(observed) and found.relabellings == 100
    assert found.p == pytest.approx(expected) and found.seeds == 2


def test_drawn_relabellings_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = two_agents(tasks=3, gain=0.05)
    exact = compare(x, y, generator())
    monkeypatch.setattr(significance, "_MOST_ENUMERATED", 0)
    drawn = compare(x, y, generator())
    assert exact.exact and not drawn.exact
    assert drawn.p == pytest.approx(exact.p, abs=0.015)


def test_many_tasks_show_what_three_seeds_of_one_cannot() -> None:
    x, y = two_agents(tasks=30, gain=0.1)
    found = compare(x, y, generator())
    assert found.p == pytest.approx(1 / 10_001) and found.significant()
    assert found.difference == pytest.approx(0.1, abs=0.05) and found.improvement > 0.6


def test_equal_generators_give_equal_p() -> None:
    x, y = two_agents(tasks=30, gain=0.01)
    assert compare(x, y, generator()) == compare(x, y, generator())


def test_agents_that_always_tie_do_not_differ() -> None:
    same = np.full((3, 10), 0.7)
    found = compare(same, same, generator())
    assert (found.p, found.difference, found.improvement) == (1.0, 0.0, 0.5)


def test_each_task_is_adjusted_for_the_number_of_tasks() -> None:
    x, y = two_agents(tasks=4, seeds=(5, 5), gain=0.3)
    each = compare_each_task(x, y, generator())
    assert [one.p_adjusted for one in each] == holm([one.p for one in each]).tolist()
    assert each[0].p < each[0].p_adjusted and any(one.significant() for one in each)
    assert each[2].difference == pytest.approx((x[:, 2] - y[:, 2]).mean())


def test_a_task_with_fewer_than_five_seeds_gets_no_mark_whatever_its_p() -> None:
    x, y = two_agents(tasks=1, seeds=(40, 4), gain=5.0)
    assert compare(x, y, generator()).p < 0.001
    assert not compare_each_task(x, y, generator())[0].significant()
    x, y = two_agents(tasks=1, seeds=(5, 5), gain=5.0)
    assert compare_each_task(x, y, generator())[0].significant()


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]).tolist() == [1.0, 1.0] and holm([0.2]).tolist() == [0.2]


def test_holm_rejects_what_its_stepwise_rule_rejects() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        p, level = rng.random(6) ** 3, 0.1
        rejected = set()
        for step, place in enumerate(np.argsort(p)):
            if p[place] > level / (6 - step):
                break
            rejected.add(int(place))
        assert set(np.flatnonzero(holm(p) <= level).tolist()) == rejected


def test_the_permutation_test_rarely_finds_an_agent_to_differ_from_itself() -> None:
    scores, _ = two_agents(tasks=12)
    rng = generator()
    found = aa_control(scores, lambda x, y: compare(x, y, rng, relabellings=499).p, rng, trials=200)
    assert 0.01 <= found.rate <= 0.05 + 3 * found.error
    assert found.trials == 200 and found.level == 0.05


def test_the_control_exposes_a_test_that_counts_every_seed_many_times() -> None:
    scores, _ = two_agents(tasks=12)

    def careless(x: np.ndarray, y: np.ndarray) -> float:
        return float(stratified_difference(x.repeat(20, axis=0), y.repeat(20, axis=0)).p_zero())

    assert aa_control(scores, careless, generator(), trials=200).rate > 0.5


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="the same tasks in both"):
        compare(np.zeros((3, 4)), np.zeros((3, 5)), generator())
    with pytest.raises(ValueError, match=r"tasks \[1\] have no run"):
        compare(np.array([[0.0, NAN]]), np.zeros((3, 2)), generator())
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, NAN])
