"""CSV tables: columns, and texts that spreadsheets must not run."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tdmpc2_bench import sinks
from tdmpc2_bench.celldir import Cell
from tdmpc2_bench.sinks.curves import Point, Source


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as content:
        return list(csv.DictReader(content, strict=True))


def write(out: Path, cell: Cell, found: Sequence[Point]) -> None:
    with sinks.sink("csv", out) as sink:
        curve = sink(
            Source(
                cell=cell, experiment="runs", identity={"suite": "toy"}, attempt=1, key="k",
                began=0.0,
            )
        )  # fmt: skip
        for point in found:
            curve.write(point)
        curve.close()


def train(**row: Any) -> Point:
    line = {"v": 1, "seq": 0, "env_step": 40, "agent_step": 20, **row}
    return Point("train", line, 40, {}, 0.0)


def test_columns_that_come_later_are_empty_before(tmp_path: Path) -> None:
    first, second = train(loss=None), train(loss=-0.5, grad_norm=2.0)
    write(tmp_path, Cell("tdmpc2", "size=1,horizon=5", "toy-point", 1), [first, second])
    common = {
        "agent": "tdmpc2", "variant": "size=1,horizon=5", "task": "toy-point", "suite": "toy",
        "seed": "1", "env_step": "40", "agent_step": "20",
    }  # fmt: skip
    assert rows(tmp_path / "train.csv") == [
        {**common, "loss": "", "grad_norm": ""},
        {**common, "loss": "-0.5", "grad_norm": "2.0"},
    ]
    assert rows(tmp_path / "evals.csv") == []


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@sum", "\t=1", "\r=1", '\n=1,"2"'])
def test_a_text_is_never_a_formula(tmp_path: Path, text: str) -> None:
    write(tmp_path, Cell(text, "default", text, 1), [train(**{text: -1.0})])
    (row,) = rows(tmp_path / "train.csv")
    assert row["agent"] == row["task"] == f"'{text.strip()}"
    assert row[f"'{text.strip()}"] == "-1.0"  # a number stays one


def test_an_agents_numbers_cannot_pass_for_another_cell(tmp_path: Path) -> None:
    write(tmp_path, Cell("uniform", "default", "toy-point", 1), [train(seed=99.0)])
    (row,) = rows(tmp_path / "train.csv")
    assert row["seed"] == "1"


def test_without_success_its_columns_are_empty(tmp_path: Path) -> None:
    line = {
        "env_step": 0, "agent_step": 0, "mode": "mean", "return": [1.5, None],
        "success_last": [None, None], "success_any": [None, None], "length": [20, 7],
    }  # fmt: skip
    cell = Cell("uniform", "default", "toy-point", 1)
    write(tmp_path, cell, [Point("evals", line, 0, {}, 0.0)])
    found = [
        (row["episode"], row["return"], row["success_last"], row["length"])
        for row in rows(tmp_path / "evals.csv")
    ]
    assert found == [("0", "1.5", "", "20"), ("1", "", "", "7")]


def test_a_table_that_was_not_finished_does_not_replace_the_one_before(tmp_path: Path) -> None:
    cell = Cell("uniform", "default", "toy-point", 1)
    write(tmp_path, cell, [train()])
    before = (tmp_path / "train.csv").read_bytes()
    with pytest.raises(ZeroDivisionError), sinks.sink("csv", tmp_path):
        raise ZeroDivisionError
    assert (tmp_path / "train.csv").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"evals.csv", "train.csv"}
