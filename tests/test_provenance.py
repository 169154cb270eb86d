"""With what results were made."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pandas")

from tdmpc2_bench import provenance, sources
from tdmpc2_bench.cli import call


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    arguments = ["run", "--task", "toy-point", "--agent", "uniform", "--seeds", "1"]
    arguments += ["--steps", "20", "--eval-every", "20", "--eval-episodes", "1"]
    assert call([*arguments, "--out", str(tmp_path / "x")]) == 0
    return tmp_path / "x"


@pytest.mark.parametrize("part", ["", "uniform", "uniform/default"])
def test_an_experiment_tells_code_machine_and_versions(experiment: Path, part: str) -> None:
    found = dict(provenance.facts(sources.load(str(experiment / part))))
    assert {"python", "processor", "numpy", "profile", "tdmpc2_bench"} <= set(found)
    assert found["profile"] == "modern"


def test_answers_that_differ_are_counted(experiment: Path) -> None:
    cell = experiment / "uniform" / "default" / "toy-point"
    shutil.copytree(cell / "1", cell / "2")
    content = json.loads((cell / "2" / "run.json").read_text())
    content["provenance"]["python"] = "3.99.0"
    (cell / "2" / "run.json").write_text(json.dumps(content))
    found = [text for name, text in provenance.facts(sources.load(str(experiment)))
             if name == "python"]  # fmt: skip
    assert len(found) == 2 and "3.99.0 (1 of 2 cells)" in found


def test_the_published_results_name_their_source() -> None:
    found = dict(provenance.facts(sources.load("published:sac")))
    assert "nicklashansen/tdmpc2" in found["repository"] and "2310.16828" in found["paper"]
