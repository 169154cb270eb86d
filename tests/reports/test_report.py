"""A report is a folder of figures and tables, of one source or of several."""

from __future__ import annotations

from pathlib import Path

import long_tables
import pytest

pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

import tdmpc2_bench
from tdmpc2_bench import reporting, reports
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import BenchError, UnknownName, UsageError
from tdmpc2_bench.reports import report
from tdmpc2_bench.sources import Source, load

TABLES = ("aggregates", "budgets", "tasks")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of the uniform agent on a toy task."""
    out = tmp_path_factory.mktemp("runs")
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1-2"]
    arguments += ["--steps", "400", "--eval-every", "200", "--eval-episodes", "3"]
    assert call([*arguments, "--out", str(out)]) == 0
    return out


def made_up() -> Source:
    return long_tables.source("runs/x", long_tables.table(lambda *_: 0.5, tasks=["walker-walk"]))


def test_a_report_of_trained_cells_is_the_same_each_time(experiment: Path) -> None:
    def written() -> dict[str, bytes]:
        made = tdmpc2_bench.report(experiment, only=["compute", "curves", "tables"], reps=20)
        assert made.folder == experiment / "report" and made.page is None
        return {str(path.relative_to(made.folder)): path.read_bytes() for path in made.files}

    first = written()
    names = {Path(name).stem for name in first if name.startswith("figures/")}
    assert names == {"compute", "curves-toy-point"}
    assert {f"tables/{t}.{s}" for t in TABLES for s in ("md", "tex", "csv")} <= set(first)
    assert {f"figures/compute.{s}" for s in ("svg", "png", "pdf", "csv")} <= set(first)
    assert written() == first


def test_the_command_says_where_the_page_is(
    monkeypatch: pytest.MonkeyPatch, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reports, "FIGURES", ("summary", "planning"))
    assert call(["report", str(experiment), "--reps", "5"]) == 0
    said = capsys.readouterr()
    folder = experiment / "report"
    shown = [line.removeprefix(f"{folder}/") for line in said.out.splitlines()]
    assert shown == ["index.html", "figures: 4 files", "tables: 9 files"]
    assert "not drawn: planning: no line was evaluated both" in said.err


def test_the_page_has_the_figures_tables_curves_and_verdicts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reports, "FIGURES", ("summary",))
    tasks = ["walker-walk", "walker-run"]
    table = long_tables.table(lambda *_: 0.5, tasks=tasks, variant="<b>x</b>")
    made = report.write(
        [long_tables.source("runs/x", table), load("published:tdmpc2")], tmp_path, reps=5
    )
    assert made.page is not None
    text = made.page.read_text()
    assert "Interquartile mean of normalised scores at fixed budgets" in text
    assert "Over groups of tasks" in text and "not enough" in text and "below" in text
    assert "nicklashansen/tdmpc2" in text  # where the published figures are from
    assert "figures/summary.pdf" in text and "<b>x" not in text
    assert "5 resamples, seed 1" in text


def test_what_was_trained_is_shown_against_its_hours(experiment: Path, tmp_path: Path) -> None:
    import pandas as pd

    tdmpc2_bench.report(experiment, out=tmp_path, only=["compute"], reps=5)
    rows = pd.read_csv(tmp_path / "figures" / "compute.csv")
    assert set(rows["env_step"]) == {0, 200, 400} and (rows["runs"] == 2).all()
    assert rows["hours"].is_monotonic_increasing and 0 < rows["hours"].max() < 1


def test_only_what_is_asked_for_is_written(tmp_path: Path) -> None:
    found = report.write([made_up()], tmp_path, only=("tables",), reps=5)
    assert {path.parent.name for path in found.files} == {"tables"}
    found = report.write([made_up()], tmp_path, only=("grid", "planning"), reps=5)
    assert {path.stem for path in found.files} == {"grid"}
    assert found.skipped == ("planning: no line was evaluated both with a planner and without",)
    with pytest.raises(UnknownName, match="Did you mean 'grid'"):
        report.write([made_up()], tmp_path, only=("gird",))


def test_published_results_beside_others_are_of_the_same_agents_and_tasks() -> None:
    found = reporting._published([made_up()])
    assert set(found.table["agent"]) == {"tdmpc2"} and set(found.table["task"]) == {"walker-walk"}
    assert found.bands is not None and set(found.bands["task"]) == {"walker-walk"}


def test_a_source_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than once"):
        report.write([made_up(), made_up()], tmp_path, only=("tables",), reps=2)


def test_the_published_results_can_be_reported_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["report", "--published", "--only", "tables", "--reps", "2"]) == 0
    text = Path("report/tables/aggregates.md").read_text()
    assert "3 seeds x 104 tasks" in text and "pixels" not in text


def test_without_a_source_there_is_nothing_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["report"]) == 1
    assert "name an experiment's folder" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no results in"):
        tdmpc2_bench.report("no/such/folder")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"cannot write .*file"):
        report.write([made_up()], tmp_path / "file", only=("tables",), reps=2)
