"""The figures that ship: complete, in the benchmark's terms, and coming to the known aggregates."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdmpc2_bench import longtable, published, record, registry
from tdmpc2_bench.cli import call
from tdmpc2_bench.published import aggregates, writing

pd = pytest.importorskip("pandas")
GOLDEN = Path(__file__).parents[1] / "golden" / "published_aggregate.csv"


@pytest.fixture(scope="module")
def seeds() -> pd.DataFrame:
    return published.seeds()


@pytest.fixture
def tables(tmp_path: Path, seeds: pd.DataFrame) -> Path:
    """The tables that the data files are made from, made from the data files."""
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, file in (("seeds", published.SEEDS), ("curves", published.CURVES)):
        table = published.read(published.FOLDER / file)
        names = {"agent": "algorithm", "value": "score"}
        table.rename(columns=names).to_csv(folder / f"published_{name}.csv", index=False)
    (folder / "published_aggregate.csv").write_bytes(GOLDEN.read_bytes())
    return folder


def test_every_task_agent_and_seed_is_there(seeds: pd.DataFrame) -> None:
    last = seeds[seeds["budget"] == "last"]
    assert last.groupby("agent")["task"].nunique().to_dict() == {
        "tdmpc2": 104, "sac": 104, "dreamerv3": 104, "tdmpc": 104, "tdmpc2-pixels": 12
    }  # fmt: skip
    assert (last.groupby(["agent", "task"])["seed"].nunique() == 3).all() and len(last) == 1284
    assert set(seeds["task"]) == {task.name for task in registry.tasks()}
    assert set(seeds["budget"]) == {*published.BUDGETS}


def test_seeds_are_the_long_table_and_a_budget(seeds: pd.DataFrame) -> None:
    assert tuple(seeds.columns) == (*longtable.COLUMNS, "budget")
    assert seeds.drop(columns="budget").dtypes.equals(longtable.empty().dtypes)
    assert set(seeds["fingerprint"]) == {"published"} and seeds["headline"].all()


def test_a_record_is_as_published(seeds: pd.DataFrame) -> None:
    """acrobot-swingup, seed 1 of TD-MPC2: 219.4 at 200k, which is the nearest to 250k."""
    chosen = seeds.query("agent == 'tdmpc2' and task == 'acrobot-swingup' and seed == 1")
    row = chosen[chosen["budget"] == "250k"].iloc[0]
    assert (row["env_step"], row["value"], row["return"]) == (200_000, 219.4, 219.4)
    assert row["score"] == pytest.approx(0.2194) and pd.isna(row["success"])
    success = seeds[seeds["metric"] == "success"]
    assert (success["score"] == success["success"]).all() and success["return"].isna().all()


def test_curves_lie_between_their_lowest_and_highest_seed() -> None:
    curves = published.curves()
    assert set(curves["agent"]) == {*published.AGENTS} and len(curves) == 4790
    slack = 1e-4  # rounded figures
    for low, middle, high in (("min", "mean", "max"), ("min_score", "mean_score", "max_score")):
        assert (curves[low] <= curves[middle] + slack).all()
        assert (curves[middle] <= curves[high] + slack).all()
    assert curves["max_score"].max() <= 1


def test_seeds_come_to_all_the_published_aggregates(seeds: pd.DataFrame) -> None:
    golden = pd.read_csv(GOLDEN).rename(columns={"algorithm": "agent"})
    assert len(golden) == len(aggregates.aggregates(seeds)) == 222
    assert writing.differences(seeds, golden).empty


def test_a_wrong_aggregate_would_be_noticed(seeds: pd.DataFrame) -> None:
    golden = pd.read_csv(GOLDEN).rename(columns={"algorithm": "agent"})
    golden.loc[5, "iqm"] += 0.0021
    assert len(writing.differences(seeds, golden)) == 1
    assert len(writing.differences(seeds, golden.drop(index=5))) == 1
    assert len(writing.differences(seeds[1:], golden)) > 0


def test_aggregates_by_hand() -> None:
    """Two tasks of two seeds, 0 and 0.4, 0.5 and 0.9; a quarter of four rows is one."""
    rows = [
        {"agent": "sac", "budget": "1M", "task": task, "score": score}
        for task, scores in (("lift-cube", (0.0, 0.4)), ("pick-cube", (0.5, 0.9)))
        for score in scores
    ]
    found = aggregates.aggregates(pd.DataFrame(rows)).set_index("group")
    assert list(found.index) == ["maniskill2", "all"]
    assert found.loc["all", [*aggregates.STATISTICS]].tolist() == pytest.approx([0.45, 0.45, 0.45])
    assert found.loc["all", ["n_tasks", "n_runs"]].tolist() == [2, 4]


def test_writing_again_gives_the_same_files(tables: Path, tmp_path: Path) -> None:
    written = writing.write(tables, tmp_path)
    assert [path.name for path in written] == [published.SEEDS, published.CURVES, published.SOURCE]
    for path in written[:2]:
        assert path.read_bytes() == (published.FOLDER / path.name).read_bytes()
    again = record.read_json(tmp_path / published.SOURCE)
    assert {**again, "tables": None} == {**published.source(), "tables": None}


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("published_seeds.csv", "walker-walk", "walker-wolk", "cannot be of the benchmark"),
        ("published_seeds.csv", ",112.1\n", ",1112.1\n", "cannot be of the benchmark"),
        ("published_curves.csv", "tdmpc2,return", "ppo,return", "cannot be of the benchmark"),
        ("published_seeds.csv", ",112.1\n", ",912.1\n", "are not what published_seeds.csv"),
        ("published_curves.csv", "n_seeds", "seeds", "expected the columns"),
    ],
)
def test_tables_that_cannot_be_are_not_written(
    tables: Path, tmp_path: Path, *, name: str, old: str, new: str, told: str
) -> None:
    path = tables / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(writing.UsageError, match=told):
        writing.write(tables, tmp_path)
    assert [*tmp_path.iterdir()] == [tables]


def test_a_user_without_pandas_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(writing.UsageError, match=r"tdmpc2-bench\[analysis\]"):
        published.seeds()
    assert call(["ls", "suites"]) == 0
