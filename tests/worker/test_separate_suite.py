"""A suite that is not installed here is run by an interpreter that has it, in every command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import foreign
import numpy as np
import psutil
import pytest
from learner import job
from workers import processes_of

from tdmpc2_bench import calibration, interpreters, manifest, plan, protocol, registry
from tdmpc2_bench.celldir import CellDir
from tdmpc2_bench.doctor import suites
from tdmpc2_bench.errors import SuiteUnavailable
from tdmpc2_bench.suites import toy
from tdmpc2_bench.worker import process

NAME = interpreters.variable("toy")
POINT = registry.task("toy-point")
FAKE = "0.0.77"  # version of numpy that the other environment claims to have


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreign.make(tmp_path_factory.mktemp("foreign") / "environment")


@pytest.fixture(autouse=True)
def not_installed_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The toy suite is missing in this interpreter, and nobody has named another."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(NAME, raising=False)
    real = registry._missing

    def missing(module: ModuleType, path: Sequence[str] | None = None) -> list[str]:
        return ["numpy"] if module is toy and path is None else real(module, path)

    monkeypatch.setattr(registry, "_missing", missing)
    process._shared.clear()
    process.greet.cache_clear()


@pytest.fixture
def named(python: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(NAME, str(python))
    return python


def test_without_an_interpreter_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SuiteUnavailable) as error:
        registry.make(POINT)
    assert 'pip install "tdmpc2-bench[torch]"' in str(error.value)
    assert str(error.value).endswith(f"or name an interpreter that has it with {NAME}")
    monkeypatch.setattr(toy, "REQUIREMENTS", "toy.txt", raising=False)
    with pytest.raises(SuiteUnavailable, match=r"own interpreter with: tdmpc2-bench setup toy; or"):
        registry.check_available("toy")
    assert suites._examine("toy").status == "missing"


def test_an_environment_is_made_there_and_plays_as_here(named: Path) -> None:
    there, here = registry.make(POINT), registry.make_here(POINT)
    assert processes_of(there)[1].cmdline()[0] == str(named)
    for env in (there, here):
        env.reset(seed=4)
    for _ in range(POINT.episode_agent_steps):
        action = np.array([0.5], np.float32)
        first, second = there.step(action), here.step(action)
        assert first[0].tobytes() == second[0].tobytes() and first[1:] == second[1:]
    there.close()


def test_a_recorded_interpreter_serves_as_well(python: Path) -> None:
    interpreters.record("toy", python.parent.parent)
    env = registry.make(POINT)
    env.reset(seed=1)
    env.close()


def test_what_is_installed_here_runs_here(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_missing", lambda *_: [])
    assert registry.interpreter("toy") is None
    assert not hasattr(registry.make(POINT).simulation, "_worker")
    assert registry.path("toy") is None


def test_results_are_marked_with_the_versions_there(
    named: Path, tmp_path: Path, registered_learner: None
) -> None:
    (site,) = interpreters.site_packages(named)
    (real,) = Path(site).glob("numpy-*.dist-info")
    hidden = real.rename(real.with_name("hidden"))
    fake = Path(site) / f"numpy-{FAKE}.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text(f"Name: numpy\nVersion: {FAKE}\n")
    try:
        todo = job(tmp_path)
        cell = CellDir.of(tmp_path, todo.cell)
        manifest.write(todo, POINT, cell)
        assert manifest.read(cell)["protocol"]["simulator"] == {"numpy": FAKE}
        assert manifest.read(cell)["versions"]["numpy"] == np.__version__
    finally:
        (fake / "METADATA").unlink()
        fake.rmdir()
        hidden.rename(real)


def test_an_environment_without_the_simulator_is_named(
    named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "DISTRIBUTIONS", ("numpy", "some-simulator"))
    with pytest.raises(
        SuiteUnavailable, match=f"needs some-simulator in its own .*{named}.*{NAME}"
    ):
        registry.check_available("toy")
    found = suites._examine("toy")
    assert found.status == "broken"
    assert found.versions["some-simulator"] is None


def test_doctor_shows_the_interpreter_and_whether_it_can_be_used(
    named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, other = suites._examine("toy"), suites._examine("dmcontrol")
    assert (found.status, found.python) == ("ok", str(named))
    assert found.found == f"numpy {np.__version__} in {named}"
    monkeypatch.setattr(process, "_COMMAND", ("-I", "-S", "-m", "tdmpc2_bench.worker"))
    process.greet.cache_clear()
    found = suites._examine("toy")
    assert found.status == "broken" and "cannot be used" in found.reason
    monkeypatch.setenv(NAME, "/nowhere")
    assert suites._examine("toy").status == "broken"
    assert suites._examine("dmcontrol") == other


def test_cells_are_refused_before_the_first_begins(
    named: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registered_learner: None
) -> None:
    todo = job(tmp_path)
    plan.check_runnable([todo])
    assert not psutil.Process().children()
    monkeypatch.setattr(process, "_COMMAND", ("-I", "-S", "-m", "tdmpc2_bench.worker"))
    process.greet.cache_clear()
    with pytest.raises(SuiteUnavailable, match="cannot be used"):
        plan.check_runnable([todo])
    assert any("cannot be used" in text for text in plan.warnings([todo]))


def test_a_broken_interpreter_breaks_no_other_suite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "/nowhere")
    assert registry.path("toy") is None
    conditions = protocol.protocol(POINT, ("numpy",), path=registry.path("toy"))
    assert conditions["task"] == "toy-point"  # as `plan` asks of tasks that cannot be run
    if protocol.versions(["dm_control"])["dm_control"]:
        registry.check_available("dmcontrol")


def test_the_memory_of_the_worker_is_counted(named: Path) -> None:
    found = calibration.task_speed({"task": "toy-point"})
    assert found.first > 10 * 2**20  # an interpreter with numpy
    assert found.further < found.first / 4
    assert found.step > 0


def test_what_is_built_there_needs_base_dependencies_alone(named: Path) -> None:
    env = registry.make(POINT)
    mapped = {Path(one.path).name for one in processes_of(env)[1].memory_maps()}
    assert any("multiarray" in name for name in mapped)
    assert not any("torch" in name or "mujoco" in name for name in mapped)
    env.close()
