"""Published tables of scores: wide and long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tdmpc2_bench import imported
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import Refused, import_results

if TYPE_CHECKING:
    import pandas as pd

pytest.importorskip("pyarrow")


def taken(tmp_path: Path, text: str, **described: Any) -> pd.DataFrame:
    path = tmp_path / "in.csv"
    path.write_text(text)
    import_results(path, tmp_path / "out", **{"budget": "1M", **described})
    return imported.read(tmp_path / "out").table


def test_a_column_per_agent(tmp_path: Path) -> None:
    table = taken(tmp_path, "task,BRO,MR.Q\ndog-run,500,600 ± 7\nmw-push,0.5,\n")
    assert table[["agent", "task", "value", "env_step"]].to_numpy().tolist() == [
        ["BRO", "dog-run", 500.0, 1_000_000],
        ["BRO", "mw-push", 0.5, 1_000_000],
        ["MR.Q", "dog-run", 600.0, 1_000_000],
    ]
    assert set(table["marks"]) == {"mean-of-seeds"} and set(table["seed"]) == {0}


def test_a_row_per_value_with_seeds(tmp_path: Path) -> None:
    text = "env,run,agent,final\ndog-run,1,BRO,500\ndog-run,2,BRO,520\n"
    columns = {"task": "env", "seed": "run", "value": "final"}
    table = taken(tmp_path, text, columns=columns)
    assert table["value"].tolist() == [500.0, 520.0] and set(table["marks"]) == {""}


def test_one_agents_table_needs_its_name(tmp_path: Path) -> None:
    text = "task,value\ndog-run,500\n"
    assert taken(tmp_path, text, constants={"agent": "bmpc"})["agent"].tolist() == ["bmpc"]
    with pytest.raises(Refused) as caught:
        import_results(tmp_path / "in.csv", tmp_path / "x", budget="1M")
    assert "--agent" in caught.value.findings[0].message


@pytest.mark.parametrize("text", ["name,BRO\ndog-run,1\n", "task\ndog-run\n", "task,agent,score\na,b,1\n"])  # fmt: skip # noqa: E501
def test_a_table_without_tasks_or_values_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused) as caught:
        taken(tmp_path, text)
    assert "no column of" in caught.value.findings[0].message


def test_a_mean_over_tasks_is_no_task(tmp_path: Path) -> None:
    text = "task,BRO\ndog-run,500\nIQM,0.7\n"
    with pytest.raises(Refused):
        taken(tmp_path, text)
    assert taken(tmp_path, text, leave_out_bad=True)["task"].tolist() == ["dog-run"]


def test_the_step_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--budget"):
        taken(tmp_path, "task,BRO\ndog-run,1\n", kind="scores", budget=None)
