"""Names that spell several things."""

from __future__ import annotations

import pytest

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import pattern


def test_parts_are_as_short_as_fit() -> None:
    found = pattern.match("{task}__{agent}__{seed} - r", "walker-run__sac__1 - r")
    assert found == {"task": "walker-run", "agent": "sac", "seed": "1"}
    assert pattern.match("{task}_{seed}", "a_b_1") == {"task": "a", "seed": "b_1"}


def test_signs_mean_themselves_and_the_whole_name_must_fit() -> None:
    assert pattern.match("{task}.csv", "walkerxcsv") is None
    assert pattern.match("{task}", "") is None
    assert pattern.match("(.*){}", "(.*)x") == {}
    assert pattern.match("{task} - r", "a - r__MIN") is None


def test_a_part_of_a_path_stays_in_its_folder() -> None:
    assert pattern.match("{task}.csv", "a/b.csv", within="[^/]") is None
    assert pattern.match("{agent}/{task}.csv", "a/b.csv", within="[^/]") == {
        "agent": "a", "task": "b"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["{a}{a}", "{", "a}", "{a-b}", "{}" * 9])
def test_other_patterns_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        pattern.names(text)


def test_the_first_rename_that_fits_holds() -> None:
    renames = {"dm_control/{}-v0": "{}", "{}-v2": "mw-{}", "cup_catch": "cup-catch"}
    assert pattern.rename(renames, "dm_control/dog-run-v0") == "dog-run"
    assert pattern.rename(renames, "door-open-v2") == "mw-door-open"
    assert pattern.rename(renames, "cup_catch") == "cup-catch"
    assert pattern.rename(renames, "dog-run") == "dog-run"


@pytest.mark.parametrize(("theirs", "ours"), [("{}", "x"), ("x", "{}"), ("{}{}", "{}"), ("a", ""), ("{a}", "{a}")])  # fmt: skip # noqa: E501
def test_renames_that_lose_or_invent_a_part_are_refused(theirs: str, ours: str) -> None:
    with pytest.raises(UsageError, match="rename"):
        pattern.check_rename(theirs, ours)
