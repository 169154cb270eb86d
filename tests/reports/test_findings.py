"""What a report shows is what the scores come to, by hand and as published."""

from __future__ import annotations

from pathlib import Path

import long_tables
import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from tdmpc2_bench import sources  # noqa: E402 - after the word on what is missing
from tdmpc2_bench.errors import UsageError  # noqa: E402
from tdmpc2_bench.reports import findings  # noqa: E402
from tdmpc2_bench.reports.findings import Findings  # noqa: E402
from tdmpc2_bench.sources import Source  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "published_aggregate.csv"
DMC = ("walker-walk", "walker-run")


def find(*tables: pd.DataFrame, **options: int) -> Findings:
    return findings.find([long_tables.source("runs/x", *tables)], **{"reps": 50, **options})


def number(found: Findings, **where: str) -> pd.Series:
    rows = found.summary
    for column, value in where.items():
        rows = rows[rows[column] == value]
    (row,) = rows.to_dict("records")
    return pd.Series(row)


def test_aggregates_are_those_worked_out_by_hand() -> None:
    scores = {"walker-walk": (0.1, 0.2, 0.9, 1.0), "walker-run": (0.3, 0.4, 0.5, 0.6)}
    table = long_tables.table(
        lambda task, seed, _: scores[task][seed - 1], tasks=DMC, seeds=range(1, 5)
    )
    found = find(table)
    of = {"group": "dmcontrol", "budget": "100k"}
    # of 8 values a quarter, 2, goes at either end: 0.3, 0.4, 0.5, 0.6 stay
    assert number(found, statistic="iqm", **of)["value"] == pytest.approx(0.45)
    assert number(found, statistic="mean", **of)["value"] == pytest.approx((0.55 + 0.45) / 2)
    assert number(found, statistic="median", **of)["value"] == pytest.approx(0.5)
    assert number(found, statistic="optimality_gap", **of)["value"] == pytest.approx(0.5)


def test_intervals_hold_their_number_and_equal_seeds_give_equal_ones() -> None:
    table = long_tables.table(lambda _, seed, step: seed * step / 1e6, tasks=DMC)
    first, again, other = find(table), find(table), find(table, seed=2)
    assert (first.summary["low"] <= first.summary["value"]).all()
    assert (first.summary["value"] <= first.summary["high"]).all()
    pd.testing.assert_frame_equal(first.summary, again.summary)
    assert not first.summary["low"].equals(other.summary["low"])
    assert first.method == "95% stratified bootstrap, 50 resamples, seed 1"


def test_a_missing_run_is_counted_and_never_zero() -> None:
    whole = long_tables.table(long_tables.constant([0.5, 0.5]), tasks=DMC, seeds=(1, 2))
    lost = whole[~((whole["task"] == "walker-run") & (whole["seed"] == 2))]
    row = number(find(lost), group="dmcontrol", budget="common", statistic="mean")
    assert row["value"] == 0.5
    assert (row["runs"], row["missing"], row["seeds_min"], row["seeds_max"]) == (3, 1, 1, 2)


def test_a_task_that_a_line_lacks_is_left_out_and_counted() -> None:
    both = long_tables.table(long_tables.constant([0.5, 0.5]), tasks=DMC, seeds=(1, 2))
    one = long_tables.table(
        long_tables.constant([0.5, 0.5]), tasks=DMC[:1], seeds=(1, 2), agent="sac"
    )
    row = number(find(both, one), line="sac", group="dmcontrol", budget="common", statistic="iqm")
    assert (row["value"], row["tasks"], row["of_tasks"], row["missing"]) == (0.5, 1, 2, 2)


def test_lines_are_compared_where_all_have_got_to() -> None:
    far = long_tables.table(lambda _t, _s, step: step / 1e6, tasks=DMC)
    near = long_tables.table(
        lambda _t, _s, step: step / 1e6, tasks=DMC, agent="sac", steps=(0, 100_000)
    )
    found = find(far, near)
    assert number(found, line="tdmpc2", group="dmcontrol", budget="common", statistic="iqm")[
        "value"
    ] == pytest.approx(0.1)
    assert number(found, line="tdmpc2", group="dmcontrol", budget="last", statistic="iqm")[
        "value"
    ] == pytest.approx(0.2)


def test_a_curve_ends_where_its_slowest_task_has_got_to() -> None:
    quick = long_tables.table(long_tables.constant([1.0] * 3), tasks=DMC[:1])
    slow = long_tables.table(long_tables.constant([1.0] * 3), tasks=DMC[1:], steps=(0, 100_000))
    curves = find(quick, slow).curves
    assert curves[curves["group"] == "dmcontrol"]["env_step"].max() == 100_000


def test_few_seeds_are_described_from_lowest_to_highest_and_five_get_an_interval() -> None:
    few = find(long_tables.table(long_tables.constant([0.1, 0.2, 0.9]), tasks=DMC)).by_task
    row = few[few["budget"] == "common"].iloc[0]
    assert (row["low"], row["high"], row["band"]) == (100, 900, "min-max")
    table = long_tables.table(
        long_tables.constant([0.1, 0.2, 0.3, 0.4, 0.9]), tasks=DMC, seeds=range(1, 6)
    )
    many = find(table).by_task
    row = many[many["budget"] == "common"].iloc[0]
    assert row["band"] == "95% bootstrap" and 100 < row["low"] < row["value"] < row["high"] < 900


def test_a_diverged_run_keeps_its_last_evaluation_and_is_counted() -> None:
    fine = long_tables.table(long_tables.constant([0.8]), tasks=DMC, seeds=(1,))
    ended = long_tables.table(
        lambda *_: 0.4, tasks=DMC, seeds=(2,), steps=(0, 100_000), status="diverged"
    )
    found = find(fine, ended)
    row = number(found, group="dmcontrol", budget="common", statistic="mean")
    assert row["value"] == pytest.approx(0.6) and row["diverged"] == 2
    assert any("2 diverged" in warning for warning in found.warnings)


def test_the_probability_of_improvement_counts_pairs_of_runs() -> None:
    better = long_tables.table(long_tables.constant([0.9, 0.2]), tasks=DMC, seeds=(1, 2))
    worse = long_tables.table(
        long_tables.constant([0.1, 0.5]), tasks=DMC, seeds=(1, 2), agent="sac"
    )
    rows = find(better, worse).improvement
    row = rows[rows["group"] == "dmcontrol"].iloc[0]
    # sac beats tdmpc2 in one of the four pairs of runs
    assert (row["line"], row["other"], row["value"]) == ("sac", "tdmpc2", 0.25)


def test_a_run_reaches_a_target_at_its_first_evaluation_there_or_never() -> None:
    quick = long_tables.table(
        lambda _t, _s, step: min(step / 100_000, 1.0), tasks=DMC[:1], seeds=(1,)
    )
    slow = long_tables.table(lambda *_: 0.6, tasks=DMC[:1], seeds=(1,), agent="sac")
    found = find(quick, slow)
    reached = found.reached.set_index(["line", "fraction"])["env_step"]
    assert reached["tdmpc2", 0.95] == 100_000
    assert reached["sac", 0.5] == 0 and np.isnan(reached["sac", 0.95])
    shares = found.efficiency.set_index(["line", "fraction", "env_step"])["value"]
    assert shares["sac", 0.95, 100_000] == 0 and shares["tdmpc2", 0.95, 100_000] == 1


def test_planner_and_policy_are_told_apart() -> None:
    plan = long_tables.table(lambda *_: 0.8, tasks=DMC)
    policy = long_tables.table(lambda *_: 0.5, tasks=DMC, mode="mean", headline=False)
    rows = find(plan, policy).planning
    assert (rows["gap"].round(9) == 0.3).all() and (rows["seeds"] == 3).all()


def test_published_aggregates_are_those_that_were_published() -> None:
    found = findings.find([sources.load("published")], reps=2)
    golden = pd.read_csv(GOLDEN).replace({"group": {"pixels-12": "dmcontrol"}})
    golden["line"] = golden["algorithm"] + " (published)"
    wide = found.summary.pivot_table(
        "value", ["group", "line", "budget", "tasks", "runs"], "statistic"
    ).reset_index()
    both = golden.merge(wide, on=["group", "line", "budget"], suffixes=("_golden", ""))
    assert len(both) == len(golden)
    assert (both["tasks"] == both["n_tasks"]).all() and (both["runs"] == both["n_runs"]).all()
    names = {"iqm": "iqm_golden", "mean": "mean_golden", "median": "median_of_task_means"}
    for ours, theirs in names.items():
        assert np.allclose(both[ours], both[theirs], atol=1e-3, rtol=0)


def test_nothing_evaluated_is_nothing_to_report() -> None:
    empty = long_tables.table(lambda *_: 0.0, tasks=()).iloc[:0]
    with pytest.raises(UsageError, match="nothing in runs/x has been evaluated yet"):
        findings.find([Source("runs/x", empty)])
