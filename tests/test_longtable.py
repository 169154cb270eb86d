"""The long table: its columns, dtypes and what a row need not say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tdmpc2_bench import longtable
from tdmpc2_bench.errors import UsageError

pytest.importorskip("pandas")

ROW: dict[str, Any] = {
    "agent": "sac", "task": "walker-walk", "suite": "dmcontrol", "seed": 1, "env_step": 100,
    "metric": "return", "value": 500.0,
}  # fmt: skip


def test_the_columns_are_the_contract() -> None:
    assert longtable.COLUMNS == (
        "agent", "variant", "task", "suite", "seed", "mode", "headline", "env_step", "metric",
        "value", "score", "return", "success", "gap", "episodes", "fingerprint", "revision",
        "status", "marks",
    )  # fmt: skip


def test_what_a_row_does_not_say_is_unknown() -> None:
    (row,) = longtable.build([ROW]).to_dict("records")
    assert {**ROW, "variant": "default", "mode": "", "status": "done", "marks": ""}.items() <= (
        row.items()
    )
    assert (row["episodes"], row["revision"], row["headline"]) == (0, 0, True)
    assert all(math.isnan(row[name]) for name in ("score", "return", "success", "gap"))


def test_none_is_no_number_beside_rows_that_say_more() -> None:
    table = longtable.build([{**ROW, "marks": "inexact", "gap": None}, {**ROW, "gap": 1.5}])
    assert table["marks"].tolist() == ["inexact", ""]
    assert math.isnan(table["gap"][0]) and table["gap"][1] == 1.5


def test_an_empty_table_has_the_columns_and_dtypes_of_a_full_one() -> None:
    assert len(longtable.empty()) == 0
    assert longtable.empty().dtypes.to_dict() == longtable.build([ROW]).dtypes.to_dict()
    assert tuple(longtable.empty().columns) == longtable.COLUMNS


def test_unknown_and_missing_columns_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown: steps; missing: env_step"):
        longtable.build([{**{k: v for k, v in ROW.items() if k != "env_step"}, "steps": 1}])
