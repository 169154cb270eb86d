"""Experiments read quickly: the index is derived, trusted while files stand, and rebuilt."""

import logging
import os
import shutil
from pathlib import Path

import pytest

pd = pytest.importorskip("pandas")

from pandas.testing import assert_frame_equal  # noqa: E402

from tdmpc2_bench import index, longtable, results  # noqa: E402
from tdmpc2_bench.cli import call  # noqa: E402


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "x"
    train(out, "1-3")
    return out


@pytest.fixture
def experiment(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "x"))


def train(out: Path, seeds: str, steps: int = 40) -> None:
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", seeds]
    arguments += ["--steps", str(steps), "--eval-every", "20", "--eval-episodes", "1"]
    assert call([*arguments, "--out", str(out)]) == 0


def read_cells(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds of the cells that are read from their logs from now on."""
    seeds: list[int] = []
    original = results.rows

    def rows(cell: results.CellDir) -> list[dict[str, object]]:
        seeds.append(cell.cell.seed)
        return original(cell)

    monkeypatch.setattr(results, "rows", rows)
    return seeds


def test_a_second_look_reads_no_log_and_finds_the_same(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = index.load(experiment)
    seeds = read_cells(monkeypatch)
    assert_frame_equal(index.load(experiment), first)
    assert seeds == [] and list(first.columns) == list(longtable.COLUMNS)


def test_only_what_has_changed_is_read_again(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.load(experiment)
    train(experiment, "2", steps=60)
    shutil.rmtree(experiment / "uniform" / "default" / "toy-point" / "3")
    seeds = read_cells(monkeypatch)
    table = index.load(experiment)
    assert seeds == [2]
    assert table.groupby("seed")["env_step"].max().to_dict() == {1: 40, 2: 60}
    (experiment / "index.parquet").unlink()
    assert_frame_equal(index.load(experiment), table)


@pytest.mark.parametrize("content", [b"", b"PAR1 not really", None])
def test_an_index_of_no_use_is_made_anew(experiment: Path, content: bytes | None) -> None:
    first = index.load(experiment)
    path = experiment / "index.parquet"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    assert_frame_equal(index.load(experiment), first)
    assert_frame_equal(pd.read_parquet(path).drop(columns="cell"), first)


def test_a_damaged_cell_is_left_out_loudly_and_costs_the_others_nothing(
    experiment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index.load(experiment)
    (log,) = experiment.glob("*/*/*/2/*/evals.jsonl")
    log.write_bytes(log.read_bytes()[10:])
    with caplog.at_level(logging.WARNING):
        table = index.load(experiment)
    assert set(table["seed"]) == {1, 3} and "toy-point/2" in caplog.text
    assert len(index.survey(experiment).problems) == 1


def test_an_unfinished_cell_tells_its_present_status(experiment: Path) -> None:
    (finished,) = experiment.glob("*/*/*/2/*/DONE.json")
    finished.unlink()
    for _ in range(2):  # from the logs, and from the index
        table = index.load(experiment)
        assert table.groupby("seed")["status"].first().to_dict() == {
            1: "done", 2: "interrupted", 3: "done",
        }  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_read_all_the_same(experiment: Path) -> None:
    experiment.chmod(0o555)
    try:
        assert len(index.load(experiment)) == 9
    finally:
        experiment.chmod(0o755)


def test_without_room_for_an_index_the_table_is_the_same(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = index.load(experiment)
    (experiment / "index.parquet").unlink()

    def full(*_: object) -> None:
        raise index.BenchError("cannot write")

    monkeypatch.setattr(index.record, "write_file", full)
    assert_frame_equal(index.load(experiment), first)
    assert not (experiment / "index.parquet").exists()
