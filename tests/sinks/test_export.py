"""A whole experiment in every sink, read back and compared with the cells' own files."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import learner
import pytest
import run_learner
from cells import StopAfter, cell_of
from learner import job
from sink_files import close_to, of_events, of_logs, wandb_run

import tdmpc2_bench
from tdmpc2_bench import registry, results
from tdmpc2_bench.celldir import CellDir, find_cells
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import Exit
from tdmpc2_bench.job import StopRequest
from tdmpc2_bench.runner import train

TOY = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1"]
TOY += ["--steps", "200", "--eval-every", "100", "--eval-episodes", "2"]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three cells: one finished at once, one killed and continued, one interrupted."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "agent", learner.agent)
        assert call([*TOY, "--out", str(root)]) == 0
        killed = job(root, seed=1)
        run_learner.run(killed, run_learner.Fault(where="act", number=170))
        assert train(killed, StopRequest()) == Exit.OK
        assert train(job(root, seed=2), StopAfter(250)) == Exit.INTERRUPTED
        yield root


def cells(root: Path) -> list[CellDir]:
    found = find_cells(root)
    assert len(found) == 3
    return found


def own(cell: CellDir) -> dict[str, list[tuple[int, float]]]:
    attempt = results.standing(cell)
    assert attempt is not None
    return of_logs(cell, attempt)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_killed_cell_had_written_what_never_happened(experiment: Path) -> None:
    """Without that the other tests would show nothing of continued cells."""
    cell = cell_of(job(experiment, seed=1))
    first, second = cell.attempts()
    written = results.read_chain(cell, first, "train")
    assert len(results.inherited(cell, second, "train")) < len(written)


def test_tensorboard_shows_what_the_logs_hold(experiment: Path) -> None:
    pytest.importorskip("tensorboard")
    assert call(["export", str(experiment), "--to", "tensorboard"]) == 0
    out = experiment / "export" / "tensorboard"
    for cell in cells(experiment):
        shown = own(cell)
        assert {"eval/return", "eval/success", "train/return"} <= set(shown)
        assert of_events(CellDir.of(out, cell.cell).path) == close_to(shown)
    before = contents(out)
    assert call(["export", str(experiment), "--to", "tensorboard"]) == 0
    assert contents(out) == before


def test_wandb_shows_what_the_logs_hold(experiment: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")

    def runs() -> dict[str, tuple[str, str, object]]:
        command = ["export", str(experiment), "--to", "wandb", "--project", "mine"]
        assert call([*command, "--out", str(tmp_path)]) == 0
        found = [wandb_run(file) for file in tmp_path.glob("wandb/offline-run-*/*.wandb")]
        assert len(found) == 3
        assert {run.project for run, _ in found} == {"mine"}
        return {run.display_name: (run.run_id, run.run_group, shown) for run, shown in found}

    first = runs()
    for cell in cells(experiment):
        one = cell.cell
        _, group, shown = first[str(one)]
        assert group == f"{one.agent}/{one.variant}/{one.task}"
        assert shown == own(cell)
    assert runs() == first


def test_wandb_knows_what_a_cell_is(experiment: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    tdmpc2_bench.export(experiment, to="wandb", out=tmp_path)
    for file in tmp_path.glob("wandb/offline-run-*/*.wandb"):
        run, _ = wandb_run(file)
        config = {update.key: update.value_json for update in run.config.update}
        assert config["experiment"] == f'"{experiment.name}"'
        assert {"agent", "variant", "task", "seed", "config", "fingerprint"} <= set(config)
        assert list(run.tags) == ["toy"]


def test_the_tables_hold_every_episode_once(experiment: Path) -> None:
    place = tdmpc2_bench.export(experiment, to="csv")
    assert place == experiment / "export" / "csv"
    evals, episodes = [], []
    for cell in cells(experiment):
        attempt = results.standing(cell)
        assert attempt is not None
        rows = results.read_chain(cell, attempt, "evals")
        evals += [
            (str(cell.cell.seed), cell.cell.agent, str(row["env_step"]), row["mode"], str(value))
            for row in rows
            for value in row["return"]
        ]
        episodes += [
            (str(cell.cell.seed), cell.cell.agent, str(row["env_step"]), str(row["return"]))
            for row in results.read_chain(cell, attempt, "train")
        ]
    with (place / "evals.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    keys = ("seed", "agent", "env_step", "mode", "return")
    assert [tuple(row[key] for key in keys) for row in found] == evals
    with (place / "train.csv").open(newline="") as file:
        trained = list(csv.DictReader(file))
    keys = ("seed", "agent", "env_step", "return")
    assert [tuple(row[key] for key in keys) for row in trained] == episodes
    assert any(row["loss"] for row in trained)
    before = contents(place)
    tdmpc2_bench.export(str(experiment), to="csv")
    assert contents(place) == before


def test_a_finished_cells_table_is_its_own_with_its_name_before_it(experiment: Path) -> None:
    place = tdmpc2_bench.export(experiment, to="csv")
    (cell,) = (cell for cell in cells(experiment) if cell.cell.agent == "uniform")
    with cell.attempt(1).evals_csv.open(newline="") as file:
        own_rows = list(csv.DictReader(file))
    with (place / "evals.csv").open(newline="") as file:
        found = [row for row in csv.DictReader(file) if row["agent"] == "uniform"]
    assert [{**row, **mine} for row, mine in zip(found, own_rows, strict=True)] == found


def test_nothing_of_the_experiment_changes(experiment: Path, tmp_path: Path) -> None:
    before = contents(experiment)
    for name in ("csv", "tensorboard"):
        tdmpc2_bench.export(experiment, to=name, out=tmp_path / name)
    assert contents(experiment) == before
    assert len(find_cells(experiment)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--to"),
        (["--to", "tensorbord"], "Did you mean 'tensorboard'"),
        (["--to", "mlflow"], "There are: tensorboard, wandb, csv, parquet"),
        (["--to", "csv", "--online"], "online: of use with wandb only"),
        (["--to", "csv", "--project", "p", "--online"], "project and online: of use with wandb"),
        (["--to", "csv", "--out", "{here}/run.json"], "is a file"),
        (["--to", "wandb", "--project", "a/b"], "nvalid project name"),
    ],
    ids=" ".join,
)
def test_nonsense_is_refused_with_a_word(
    experiment: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "wandb" in arguments:
        pytest.importorskip("wandb")
    here = str(cells(experiment)[0].path)
    given = [argument.replace("{here}", here) for argument in arguments]
    assert call(["export", str(experiment), *given]) == Exit.USAGE
    assert message in capsys.readouterr().err


def test_a_folder_without_cells_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["export", str(tmp_path), "--to", "csv"]) == Exit.USAGE
    assert "no results" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_library_is_named_with_what_to_install(
    experiment: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert call(["export", str(experiment), "--to", name]) == Exit.USAGE
    assert 'pip install "tdmpc2-bench[sinks]"' in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "csv"])
def test_a_place_that_cannot_be_written_is_named(
    experiment: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name != "csv":
        pytest.importorskip(name)
    (tmp_path / "file").write_text("mine")
    assert call(["export", str(experiment), "--to", name, "--out", str(tmp_path / "file/x")]) == 2
    assert f"cannot write {tmp_path / 'file/x'}" in capsys.readouterr().err


def test_damage_stops_and_leaves_the_tables_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*TOY, "--out", str(tmp_path)]) == 0
    place = tdmpc2_bench.export(tmp_path, to="csv")
    before = contents(place)
    (log,) = tmp_path.glob("*/*/*/*/*/train.jsonl")
    log.write_bytes(log.read_bytes().replace(b'"return":', b'"retorn":', 1))
    assert call(["export", str(tmp_path), "--to", "csv"]) == Exit.FAILED
    assert "line 1 is damaged" in capsys.readouterr().err
    assert contents(place) == before


def test_without_a_login_nothing_is_sent_and_that_is_said(experiment: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    arguments = ["export", str(experiment), "--to", "wandb", "--online", "--out", str(tmp_path)]
    home = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tdmpc2_bench", *arguments],
        env=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.USAGE
    assert done.stderr.count("\n") == 1 and "No API key" in done.stderr


def test_parquet_is_the_long_table(experiment: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    place = tdmpc2_bench.export(experiment, to="parquet", out=tmp_path / "new" / "folder")
    table = pandas.read_parquet(place / "table.parquet")
    pandas.testing.assert_frame_equal(table, tdmpc2_bench.load_results(experiment))
    assert len(table.drop_duplicates(["agent", "seed"])) == 3
