"""Curves by hand: what is noticed, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tdmpc2_bench.importing.checks import check
from tdmpc2_bench.importing.description import Duplicates
from tdmpc2_bench.importing.findings import Finding, Findings
from tdmpc2_bench.importing.records import Curve, Record


def curve(
    points: Sequence[tuple[int, float]], *, task: str = "walker-walk", seed: int = 1
) -> list[Record]:
    return [
        Record(
            curve=Curve("sac", "default", task), seed=seed, env_step=step, value=value,
            number=value, episodes=0, file="x.csv", line=line,
        )
        for line, (step, value) in enumerate(points, 2)
    ]  # fmt: skip


def checked(
    records: Sequence[Record], duplicates: Duplicates = "mean"
) -> tuple[list[Record], dict[str, Finding]]:
    findings = Findings(leave_out_bad=False)
    found = check(records, duplicates, findings)
    return found, {one.kind: one for one in findings.all() if one.kind != "missing tasks"}


def test_an_even_curve_is_not_remarkable_and_comes_out_in_order() -> None:
    records = curve([(200, 3.0), (0, 1.0), (100, 2.0)])
    found, told = checked(records)
    assert [one.value for one in found] == [1.0, 2.0, 3.0] and not told


@pytest.mark.parametrize(
    ("duplicates", "value", "marks"),
    [("mean", 3.0, "averaged"), ("first", 2.0, ""), ("last", 4.0, "")],
)
def test_duplicates_are_resolved_as_asked_and_told(
    duplicates: Duplicates, value: float, marks: str
) -> None:
    found, told = checked(curve([(0, 1.0), (100, 2.0), (100, 4.0)]), duplicates)
    assert [(one.env_step, one.value, one.marks) for one in found] == [
        (0, 1.0, ""),
        (100, value, marks),
    ]
    finding = told["duplicates"]
    assert (finding.file, finding.line, finding.severity) == ("x.csv", 4, "warning")
    assert "1 step with several values, 0 of them with equal ones" in finding.message
    assert "kept" in finding.action


def test_duplicates_can_be_refused() -> None:
    _, told = checked(curve([(0, 1.0), (0, 1.0)]), "refuse")
    assert told["duplicates"].severity == "error" and told["duplicates"].action == "refused"


def test_a_gap_is_longer_than_usual_and_stays() -> None:
    found, told = checked(curve([(0, 1.0), (100, 1.0), (200, 1.0), (400, 1.0)]))
    assert len(found) == 4 and "the longest from 200 to 400 (seed 1)" in told["gaps"].message
    assert "nothing is filled in" in told["gaps"].action


def test_seeds_that_end_early_are_named() -> None:
    records = [*curve([(0, 1), (100, 1), (200, 1)]), *curve([(0, 1), (100, 1)], seed=2)]
    _, told = checked(records)
    assert told["unequal ends"].message == "sac walker-walk: seed 2 at 100 instead of 200"


def test_tasks_with_fewer_seeds_and_tasks_that_are_missing_are_told() -> None:
    records = [*curve([(0, 2.0)]), *curve([(0, 2.0)], seed=2), *curve([(0, 2.0)], task="dog-run")]
    findings = Findings(leave_out_bad=False)
    check(records, "mean", findings)
    told = {one.kind: one.message for one in findings.all()}
    assert told["missing seeds"] == "sac: 2 seeds, but fewer of dog-run"
    assert told["missing tasks"].startswith("sac: 37 of the 39 tasks of dmcontrol are not there")


def test_fractions_beside_returns_are_told() -> None:
    records = [*curve([(0, 0.4)]), *curve([(0, 600.0)], task="dog-run")]
    _, told = checked(records)
    assert (
        "at most 1 in sac walker-walk, but up to 600 in sac dog-run" in told["mixed units"].message
    )
    assert "mixed units" not in checked([*curve([(0, 0.0)]), *curve([(0, 9.0)], task="dog-run")])[1]


def test_returns_that_look_like_scores_are_told() -> None:
    _, told = checked([*curve([(0, 0.4), (100, 0.9)])])
    assert "no return is above 0.9" in told["mixed units"].message
    assert "--perfect dmcontrol=1" in told["mixed units"].message
    assert "mixed units" not in checked(curve([(0, 0.0)]))[1]
