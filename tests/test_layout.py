"""Who may import whom; read from the source, so that nothing is imported to find out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIMULATORS = {"dm_control", "mujoco", "metaworld", "mani_skill2", "sapien", "myosuite"}
HEAVY = SIMULATORS | {"torch", "matplotlib", "stable_baselines3"}
# What figures and tables may know of the harness: what is found, never how it is trained.
REPORTED = {
    *("analysis", "celldir", "comparison", "effort", "errors", "groups", "lines", "provenance"),
    *("record", "reports", "sources", "spreadsheet"),
}
SEAM = {"task", "errors", "seeding"}  # what suites and baselines both may know of the harness


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Absolute names of all modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_at_load(path: Path) -> set[str]:
    """Top-level packages a file imports when it is loaded itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def harness_parts(path: Path) -> set[str]:
    """Second components of the project's own modules that a file imports."""
    names = [name.split(".") for name in imports(path)]
    return {name[1] for name in names if name[0] == "tdmpc2_bench" and len(name) > 1}


@pytest.mark.parametrize("path", sources("tdmpc2_bench"), ids=str)
def test_the_harness_knows_no_simulator_no_torch_and_no_agent(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY
    assert not harness_parts(path) & {"suites", "baselines"}
    assert "pandas" not in imported_at_load(path)


@pytest.mark.parametrize("path", sources("tdmpc2_bench"), ids=str)
def test_whoever_trains_knows_no_sink_and_only_a_sink_its_library(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imports(path)} & {"tensorboard", "wandb"}
    assert libraries <= ({path.stem} if path.parent.name == "sinks" else set())
    if path.parent.name not in {"sinks", "cli"} and path.stem not in {"__init__", "train"}:
        assert "sinks" not in harness_parts(path)


@pytest.mark.parametrize("path", sources("tdmpc2_bench/analysis"), ids=str)
def test_analysis_knows_arrays_only(path: Path) -> None:
    own = {name for name in imports(path) if name.startswith("tdmpc2_bench")}
    assert all(name.startswith("tdmpc2_bench.analysis") for name in own)
    assert not imported_at_load(path) & (HEAVY | {"pandas", "click", "rich"})


@pytest.mark.parametrize("path", sources("suites"), ids=str)
def test_suites_know_no_learner(path: Path) -> None:
    assert harness_parts(path) <= SEAM | {"env", "suites", "asset"}
    assert not {name.split(".")[0] for name in imports(path)} & {"torch", "matplotlib", "pandas"}


@pytest.mark.parametrize(
    "path", [p for p in sources("suites") if p.parent.name == "suites"], ids=str
)
def test_listing_a_suites_tasks_loads_no_simulator(path: Path) -> None:
    if "make(task" in path.read_text() or "TASKS" in path.read_text():
        assert not imported_at_load(path) & (SIMULATORS | {"gymnasium", "numpy"})


@pytest.mark.parametrize("path", sources("baselines"), ids=str)
def test_baselines_know_no_simulator(path: Path) -> None:
    assert harness_parts(path) <= SEAM | {"agent", "baselines", "machine"}
    allowed = {"gymnasium"} if path.parent.name == "sac" else set()  # SB3 is told sizes as spaces
    known = {name.split(".")[0] for name in imports(path)} & (SIMULATORS | {"gymnasium"})
    assert known <= allowed


@pytest.mark.parametrize("path", sources("reports"), ids=str)
def test_reports_draw_what_results_and_analysis_give_them(path: Path) -> None:
    assert harness_parts(path) <= REPORTED


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    names = {
        p.stem
        for folder in ("tdmpc2_bench", "suites", "baselines", "reports")
        for p in sources(folder)
    }
    assert not names & {"utils", "util", "helpers", "common", "misc"}
