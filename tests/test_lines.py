"""What may be averaged, at which steps, and what a reader is told."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from long_tables import constant, source, table  # noqa: E402

from tdmpc2_bench import lines  # noqa: E402

WALK, RUN = "walker-walk", "walker-run"


def test_a_line_is_an_agent_and_variant_of_one_source() -> None:
    first = source(
        "runs/a",
        table(constant([0.1, 0.2, 0.3]), tasks=[WALK]),
        table(constant([0.4, 0.5, 0.6]), tasks=[WALK], variant="horizon=5"),
    )
    second = source("runs/b", table(constant([0.7, 0.8, 0.9]), tasks=[WALK]))
    found, warnings = lines.of([first, second])
    assert [line.label for line in found] == [
        "tdmpc2 (runs/a)",
        "tdmpc2 horizon=5 (runs/a)",
        "tdmpc2 (runs/b)",
    ]
    assert warnings == []
    (scores,) = found[1].scores({WALK: [100_000]})
    assert scores[:, 0].tolist() == pytest.approx([0.4, 0.5, 0.6])


def test_two_protocols_of_a_task_are_never_averaged_and_it_is_said() -> None:
    usual = table(constant([0.1, 0.1, 0.1]), tasks=[WALK, RUN])
    other = table(constant([0.9] * 4), tasks=[WALK], seeds=[4], fingerprint="another")
    found, warnings = lines.of([source("runs/a", usual, other)])
    assert [(line.label, line.tasks) for line in found] == [
        ("tdmpc2 [revision 1]", (RUN, WALK)),
        ("tdmpc2 [revision 1, protocol 2]", (WALK,)),
    ]
    assert "another protocol" in warnings[0] and WALK in warnings[0] and RUN not in warnings[0]
    assert np.nanmax(found[0].scores({WALK: [0]})) == pytest.approx(0.1)


def test_two_revisions_are_two_lines() -> None:
    old, new = (table(constant([0.1] * 3), tasks=[WALK], revision=n) for n in (1, 2))
    found, _ = lines.of([source("runs/a", old, new)])
    assert [line.label for line in found] == ["tdmpc2 [revision 1]", "tdmpc2 [revision 2]"]


def test_a_value_stands_for_one_interval_at_most() -> None:
    rows = table(
        lambda _t, _s, step: step / 1e6, tasks=[WALK], steps=(0, 100_000, 200_000, 500_000)
    )
    (line,), _ = lines.of([source("runs/a", rows)])
    steps = [[99_999], [100_000], [150_000], [350_000], [350_001]]
    found = [line.scores({WALK: step})[0, 0, 0] for step in steps]
    # Intervals are of 100,000, 100,000 and 300,000 steps: in the middle 100,000.
    assert found[:3] == pytest.approx([0.0, 0.1, 0.1]) and np.isnan(found[3:]).all()
    assert line.scores({WALK: [300_000]})[0, 0, 0] == pytest.approx(0.2)


def test_a_seed_counts_with_those_that_went_an_interval_further_but_nothing_stands_beyond() -> None:
    rows = table(lambda _t, _s, step: step / 1e6, tasks=[WALK])
    rows = rows[(rows["seed"] < 3) | (rows["env_step"] < 200_000)]
    (line,), _ = lines.of([source("runs/a", rows)])
    assert line.scores({WALK: [200_000]})[0, :, 0].tolist() == pytest.approx([0.2, 0.2, 0.1])
    assert np.isnan(line.scores({WALK: [200_001]})).all()


def test_a_diverged_run_keeps_its_last_finite_evaluation_and_is_counted() -> None:
    def score(_task: str, seed: int, step: int) -> float:
        return float("nan") if seed == 2 and step > 100_000 else 0.5 + seed / 10

    rows = table(score, tasks=[WALK], seeds=[1, 2])
    rows.loc[rows["seed"] == 2, "status"] = "diverged"
    (line,), warnings = lines.of([source("runs/a", rows)])
    (scores,) = line.scores({WALK: [200_000]})
    assert scores[:, 0].tolist() == pytest.approx([0.6, 0.7])
    assert np.isnan(line.scores({WALK: [300_000]})).all()
    assert line.coverage([WALK], scores).diverged == 1
    assert warnings == [
        "runs/a: tdmpc2 default: 1 diverged, the last evaluation counts: walker-walk"
    ]


def test_missing_runs_are_not_a_number_and_counted() -> None:
    rows = table(constant([0.5] * 3), tasks=[WALK, RUN])
    rows = rows[~((rows["task"] == RUN) & (rows["seed"] == 3))]
    (line,), _ = lines.of([source("runs/a", rows)])
    (scores,) = line.scores({WALK: [0], RUN: [0], "dog-run": [0]})
    assert np.isfinite(scores).sum(axis=0).tolist() == [3, 2, 0]
    covered = line.coverage([WALK, RUN], scores[:, :2])
    assert (covered.tasks, covered.runs, covered.missing) == (2, 5, 1)


def test_the_mean_of_the_last_evaluations_is_theirs_alone() -> None:
    rows = table(lambda _t, _s, step: step / 1e6, tasks=[WALK], seeds=[1])
    (line,), _ = lines.of([source("runs/a", rows)])
    assert line.scores({WALK: [200_000]}, last=2).item() == pytest.approx(0.15)
    assert line.scores({WALK: [0]}, last=2).item() == 0.0


def test_where_all_seeds_diverged_their_last_values_stand_for_all_that_follows() -> None:
    rows = table(constant([0.5, 0.6]), tasks=[WALK], seeds=[1, 2], status="diverged")
    (line,), _ = lines.of([source("runs/a", rows)])
    assert line.scores({WALK: [4_000_000]})[0, :, 0].tolist() == pytest.approx([0.5, 0.6])


def test_the_common_step_is_the_last_that_no_line_is_short_of() -> None:
    fine = table(constant([0.1]), tasks=[WALK], seeds=[1], steps=range(0, 130_001, 10_000))
    coarse = table(constant([0.1]), tasks=[WALK, RUN], seeds=[1], agent="sac")
    found, _ = lines.of([source("runs/a", fine), source("runs/b", coarse)])
    assert lines.common_step(found, WALK) == 130_000  # the coarse one's of 100,000 stands there
    assert lines.common_step(found, RUN) is None
    assert lines.common_step(found[1:], RUN) == 200_000


def test_neither_a_seed_that_stopped_nor_one_that_went_on_alone_decides() -> None:
    rows = table(constant([0.1] * 3), tasks=[WALK], steps=range(0, 900_001, 100_000))
    ends = {1: 200_000, 2: 500_000, 3: 900_000}
    rows = rows[rows["env_step"] <= rows["seed"].map(ends)]
    (line,), _ = lines.of([source("runs/a", rows)])
    assert lines.common_step([line], WALK) == 600_000  # seed 2 stands for one interval more
