"""A results folder with all the traps of the real one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tdmpc2_bench import imported
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import Refused, import_results

if TYPE_CHECKING:
    import pandas as pd

pytest.importorskip("pyarrow")


def write(
    folder: Path, name: str, metric: str, rows: Iterable[tuple[object, object, object]]
) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(",".join(map(str, row)) + "\n" for row in rows)
    path.write_text(f"step,{metric},seed\n{lines}")
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Seeds not in order, two logs under one seed, unequal ends, gaps, the myo-hand names."""
    folder = tmp_path / "results"
    grid = range(0, 500_001, 100_000)
    even = [(step, step / 1000, seed) for seed in (2, 3, 1) for step in grid]
    write(folder, "tdmpc2/walker-walk.csv", "reward", even)
    write(folder, "tdmpc2/mw-reach.csv", "success", [(s, s / 1e6, d) for s, _, d in even[:-1]])
    write(folder, "tdmpc2/myo-hand-reach.csv", "success", [(s, 1.0, d) for s, _, d in even])
    merged = [*even, *((step, 100.0, 1) for step in grid[:3])]
    write(folder, "tdmpc/dog-run.csv", "reward", merged)
    write(folder, "tdmpc/myo-hand-pose.csv", "success", [(0, 0.0, 1), (50, 0.5, 1), (50, 0.5, 1)])
    write(folder, "dreamerv3/walker-walk.csv", "reward", [one for one in even if one[0] != 300_000])
    (folder / "README.md").write_text("not a result")
    return folder


def read(out: Path) -> pd.DataFrame:
    return imported.read(out).table


def test_all_agents_tasks_and_seeds_are_read_under_our_names(results: Path, tmp_path: Path) -> None:
    outcome = import_results(results, tmp_path / "out")
    table = read(tmp_path / "out")
    assert outcome.kind == "authors"
    assert table.groupby("agent")["task"].unique().map(sorted).to_dict() == {
        "dreamerv3": ["walker-walk"],
        "tdmpc": ["dog-run", "myo-pose"],
        "tdmpc2": ["mw-reach", "myo-reach", "walker-walk"],
    }
    walker = table[(table["agent"] == "tdmpc2") & (table["task"] == "walker-walk")]
    assert walker["seed"].tolist() == [1] * 6 + [2] * 6 + [3] * 6
    assert walker["return"].tolist() == walker["value"].tolist() == [0, 100, 200, 300, 400, 500] * 3
    assert walker["score"].tolist()[:3] == [0, 0.1, 0.2]
    assert set(table["metric"][table["suite"] != "dmcontrol"]) == {"success"}


def test_merged_logs_are_averaged_marked_and_told(results: Path, tmp_path: Path) -> None:
    outcome = import_results(results, tmp_path / "out")
    table = read(tmp_path / "out")
    dog = table[(table["task"] == "dog-run") & (table["seed"] == 1)]
    assert dog["value"].tolist() == [50, 100, 150, 300, 400, 500]
    assert dog["marks"].tolist() == ["averaged"] * 3 + [""] * 3
    told = {one.file: one for one in outcome.findings if one.kind == "duplicates"}
    assert set(told) == {"tdmpc/dog-run.csv", "tdmpc/myo-hand-pose.csv"}
    assert (
        "3 steps with several values, 1 of them with equal ones"
        in told["tdmpc/dog-run.csv"].message
    )
    assert told["tdmpc/dog-run.csv"].line == 20


def test_unequal_ends_gaps_and_missing_tasks_are_told(results: Path, tmp_path: Path) -> None:
    told = {one.kind: one.message for one in import_results(results, tmp_path / "out").findings}
    assert told["unequal ends"] == "tdmpc2 mw-reach: seed 1 at 400,000 instead of 500,000"
    assert "dreamerv3 walker-walk: 3 intervals longer" in told["gaps"]
    assert "missing tasks" in told and "missing seeds" in told


def test_one_agents_folder_needs_a_name(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--agent"):
        import_results(results / "tdmpc2", tmp_path / "out")
    import_results(results / "tdmpc2", tmp_path / "out", constants={"agent": "bmpc"})
    assert set(read(tmp_path / "out")["agent"]) == {"bmpc"}
    with pytest.raises(UsageError, match="a folder for each agent"):
        import_results(results, tmp_path / "other", constants={"agent": "bmpc"})


@pytest.mark.parametrize(
    ("metric", "rows", "kind", "line"),
    [
        ("success", [(0, 0.5, 1)], "metric", 1),
        ("return", [(0, 0.5, 1)], "unreadable", 1),
        ("reward", [(0, 1.0, 1), (100, 1000.1, 1)], "out of range", 3),
        ("reward", [(0, -0.1, 1)], "out of range", 2),
        ("reward", [(0, "nan", 1)], "not finite", 2),
        ("reward", [(0.5, 1, 1)], "bad number", 2),
        ("reward", [(0, 1, "one")], "bad number", 2),
        ("reward", [(0, 1, 1), (1, 2, "3,4")], "unreadable", 3),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(
    results: Path,
    tmp_path: Path,
    *,
    metric: str,
    rows: list[tuple[object, object, object]],
    kind: str,
    line: int,
) -> None:
    write(results, "sac/walker-run.csv", metric, rows)
    with pytest.raises(Refused) as caught:
        import_results(results, tmp_path / "out")
    (error,) = [one for one in caught.value.findings if one.severity == "error"]
    assert (error.kind, error.file, error.line) == (kind, "sac/walker-run.csv", line)
    assert not (tmp_path / "out").exists()


def test_an_unknown_task_is_told_with_its_nearest_names(results: Path, tmp_path: Path) -> None:
    write(results, "sac/walker-rum.csv", "reward", [(0, 1, 1), (1, 1, 1)])
    with pytest.raises(Refused) as caught:
        import_results(results, tmp_path / "out")
    (error,) = [one for one in caught.value.findings if one.severity == "error"]
    assert "Did you mean 'walker-run'" in error.message and "1 more line" in error.message
    outcome = import_results(results, tmp_path / "out", rename_tasks={"walker-rum": "walker-run"})
    assert "renamed" in {one.kind for one in outcome.findings}


def test_a_link_out_of_the_folder_is_not_followed(results: Path, tmp_path: Path) -> None:
    outside = write(tmp_path, "secret.csv", "reward", [(0, 1, 1)])
    (results / "sac").mkdir()
    (results / "sac" / "walker-run.csv").symlink_to(outside)
    with pytest.raises(Refused) as caught:
        import_results(results, tmp_path / "out")
    assert "a link that leads out" in caught.value.findings[0].message
