"""Tables of others by a mapping of their columns: long, a column per curve, a file per curve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tdmpc2_bench import imported
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import Outcome, Refused, import_results

if TYPE_CHECKING:
    import pandas as pd

pytest.importorskip("pyarrow")


def taken(tmp_path: Path, text: str, **described: Any) -> tuple[pd.DataFrame, Outcome]:
    path = tmp_path / "in.csv"
    path.write_text(text)
    outcome = import_results(path, tmp_path / "out", **described)
    return imported.read(tmp_path / "out").table, outcome


def test_columns_constants_and_our_own_names_together(tmp_path: Path) -> None:
    text = "env,step,value,episodes\nwalker-walk,0,10,5\nwalker-walk,100,20,5\n"
    table, _ = taken(
        tmp_path, text, columns={"task": "env", "env_step": "step"},
        constants={"agent": "ppo", "seed": 3, "variant": "lr=0.1"},
    )  # fmt: skip
    assert table[
        ["agent", "variant", "seed", "env_step", "value", "episodes"]
    ].to_numpy().tolist() == [
        ["ppo", "lr=0.1", 3, 0, 10.0, 5],
        ["ppo", "lr=0.1", 3, 100, 20.0, 5],
    ]
    assert table["fingerprint"].str.startswith("imported:").all()
    assert (table["status"] == "done").all() and (table["revision"] == 0).all()


def test_agent_steps_become_environment_steps_by_the_tasks_action_repeat(tmp_path: Path) -> None:
    text = "agent,task,seed,env_step,value\nsac,walker-walk,1,50,1\nsac,myo-reach,1,50,1\n"
    table, _ = taken(tmp_path, text, step_scale="agent")
    steps = dict(zip(table["task"], table["env_step"], strict=True))
    assert steps == {"walker-walk": 100, "myo-reach": 50}  # repeats 2 and 1


def test_scores_become_the_tasks_metric(tmp_path: Path) -> None:
    text = "agent,task,seed,env_step,value\nsac,walker-walk,1,0,50\nsac,mw-reach,1,0,50\n"
    table, _ = taken(tmp_path, text, perfect={"dmcontrol": 200, "": 100})
    assert dict(zip(table["task"], table["value"], strict=True)) == {
        "walker-walk": 250.0, "mw-reach": 0.5
    }  # fmt: skip
    assert table["score"].tolist() == [0.5, 0.25]


def test_percentages_taken_for_fractions_are_refused_with_the_cure(tmp_path: Path) -> None:
    text = "agent,task,seed,env_step,value\nsac,mw-push,1,0,0.5\nsac,mw-reach,1,0,50\n"
    with pytest.raises(Refused) as caught:
        taken(tmp_path, text)
    message = caught.value.findings[0].message
    assert "mw-reach: expected a success from 0 to 1, got 50" in message
    assert "--perfect metaworld=100" in message


def test_bad_rows_are_left_out_only_if_asked(tmp_path: Path) -> None:
    text = "agent,task,seed,env_step,value\nsac,dog-run,1,0,1\nsac,pong,1,0,1\nsac,dog-run,1,5,x\n"
    table, outcome = taken(tmp_path, text, leave_out_bad=True)
    assert len(table) == 1
    told = {one.line: one for one in outcome.findings if one.line}
    assert told[3].kind == "unknown task"
    assert told[3].action == told[4].action == "row left out"


def test_values_out_of_range_are_never_left_out(tmp_path: Path) -> None:
    """Of percentages taken for fractions only the lowest would remain."""
    text = "agent,task,seed,env_step,value\nsac,mw-reach,1,0,0.5\nsac,mw-reach,1,5,95\n"
    with pytest.raises(Refused) as caught:
        taken(tmp_path, text, leave_out_bad=True)
    refused = [one.kind for one in caught.value.findings if one.severity == "error"]
    assert refused == ["out of range"]


def test_rows_without_a_value_are_left_out_and_told(tmp_path: Path) -> None:
    text = (
        "agent,task,seed,env_step,value\nsac,dog-run,1,0,1\nsac,dog-run,1,5,\nsac,dog-run,1,6, \n"
    )
    table, outcome = taken(tmp_path, text)
    told = {one.kind: one for one in outcome.findings}
    assert len(table) == 1 and told["missing value"].message == "2 rows have no value"
    assert told["missing value"].line == 3


def test_without_seeds_a_value_is_a_mean_over_them(tmp_path: Path) -> None:
    table, outcome = taken(tmp_path, "agent,task,env_step,value\nsac,dog-run,0,1\n")
    assert (table["seed"][0], table["marks"][0]) == (0, "mean-of-seeds")
    assert "no seeds" in {one.kind for one in outcome.findings}


def test_a_column_per_curve(tmp_path: Path) -> None:
    text = (
        "Step,dog-run_sac_1 - r,dog-run_sac_1 - r__MIN,dog-run_ppo_2 - r\n"
        "0,1,1,\n100,2,2,3\n"
    )  # fmt: skip
    table, outcome = taken(
        tmp_path, text, series="{task}_{agent}_{seed} - r", columns={"env_step": "Step"}
    )
    assert table[["agent", "seed", "env_step", "value"]].to_numpy().tolist() == [
        ["ppo", 2, 100, 3.0], ["sac", 1, 0, 1.0], ["sac", 1, 100, 2.0]
    ]  # fmt: skip
    (left,) = [one for one in outcome.findings if one.kind == "left out"]
    assert "r__MIN" in left.message
    with pytest.raises(Refused) as caught:
        taken(tmp_path, text, series="{task}/{agent}", columns={"env_step": "Step"})
    assert (
        "no column fits '{task}/{agent}'; there is e.g. 'Step'" in caught.value.findings[0].message
    )


def test_a_file_per_curve(tmp_path: Path) -> None:
    for agent, task, seed in (("sac", "dog-run", 1), ("sac", "dog-run", 2), ("ppo", "dog-walk", 1)):
        folder = tmp_path / "logs" / agent / f"{task}_{seed}"
        folder.mkdir(parents=True)
        (folder / "progress.csv").write_text(f"t,r\n0,{seed}\n5,\n")
    (tmp_path / "logs" / "notes.csv").write_text("a,b\n")
    described: dict[str, Any] = {"columns": {"env_step": "t", "value": "r"}}
    outcome = import_results(
        tmp_path / "logs", tmp_path / "out", files="{agent}/{task}_{seed}/progress.csv", **described
    )
    table = imported.read(tmp_path / "out").table
    assert table[["agent", "task", "seed", "value"]].to_numpy().tolist() == [
        ["ppo", "dog-walk", 1, 1.0], ["sac", "dog-run", 1, 1.0], ["sac", "dog-run", 2, 2.0]
    ]  # fmt: skip
    assert "notes.csv" in next(one.message for one in outcome.findings if one.kind == "left out")
    with pytest.raises(UsageError, match="no CSV file in"):
        import_results(tmp_path / "logs", tmp_path / "x", files="{task}.txt", **described)
    with pytest.raises(UsageError, match="is a folder"):
        import_results(tmp_path / "logs", tmp_path / "x", kind="csv", **described)


def test_what_was_said_for_all_rows_goes_before_a_column_and_is_told(tmp_path: Path) -> None:
    text = "agent,task,seed,env_step,value\nsac,dog-run,1,0,1\n"
    table, outcome = taken(tmp_path, text, constants={"agent": "mine"})
    assert table["agent"].tolist() == ["mine"]
    assert "there is a column 'agent'" in outcome.findings[0].message


def test_a_column_that_is_not_there_is_told_with_near_ones(tmp_path: Path) -> None:
    text = "agent,task,seed,global_step,value\nsac,dog-run,1,0,1\n"
    with pytest.raises(Refused) as caught:
        taken(tmp_path, text, columns={"env_step": "global_stp"})
    assert "did you mean 'global_step'" in caught.value.findings[0].message


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({"colums": {}}, "no key of an import named 'colums'. Did you mean 'columns'"),
        ({"columns": {"step": "t"}}, "no column named 'step'"),
        ({"columns": "task"}, "expected names and what they stand for"),
        ({"columns": {"task": "a"}, "constants": {"task": "b"}}, "task is said in two ways"),
        ({"series": "{task}", "constants": {"task": "b"}}, "task is said in two ways"),
        ({"series": "{env}"}, "named 'env'"),
        ({"step_scale": 0}, "expected a number above 0"),
        ({"step_scale": "1e9999"}, "expected a number above 0"),
        ({"perfect": {"atari": 1}}, "no suite named 'atari'"),
        ({"perfect": "all"}, "expected a number"),
        ({"budget": "1M"}, "no meaning for a source of kind 'csv'"),
        ({"budget": "inf"}, "no whole number"),
        ({"duplicates": "max"}, "no duplicates named 'max'"),
        ({"leave_out_bad": "yes"}, "expected true or false"),
        ({"fingerprint": "<b>"}, "expected a fingerprint of letters"),
        ({"kind": "xlsx"}, "no kind named 'xlsx'"),
        ({"rename_tasks": {"{}": "x"}}, "rename {}=x"),
        ({"files": "{task}.csv"}, "is for a folder"),
    ],
)  # fmt: skip
def test_descriptions_that_cannot_be_are_refused(
    tmp_path: Path, described: dict[str, Any], told: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("agent,task,seed,env_step,value\nsac,dog-run,1,0,1\n")
    with pytest.raises(UsageError) as caught:
        import_results(path, tmp_path / "out", **{"kind": "csv", **described})
    assert told in str(caught.value) and not (tmp_path / "out").exists()
