"""What other packages add is found, used and trained; what is broken breaks nothing else."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pages
import pytest

from tdmpc2_bench import plugins, registry
from tdmpc2_bench.baselines.tdmpc2.config import TDMPC2Config
from tdmpc2_bench.errors import BrokenPlugin, UnknownName
from tdmpc2_bench.suites import toy

EXAMPLE = Path(__file__).parents[1] / "examples" / "tdmpc2-bench-example"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package in a folder of its own, as pip installs it."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(EXAMPLE, source / "example")  # building leaves files beside its sources
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(site), str(source / "example")]
    subprocess.run(command, check=True)
    return site


def bench(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the command line where the example is installed."""
    command = [sys.executable, "-P", "-m", "tdmpc2_bench", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_what_the_example_adds_is_listed_and_is_no_part_of_all(installed: Path) -> None:
    def names(*what: str) -> set[str]:
        return {row["name"] for row in json.loads(bench(installed, "ls", *what, "--json").stdout)}

    assert "hill" in names("suites") and "climber" in names("agents")
    assert names("tasks", "hill-*", "acrobot-*") == {
        "hill-balance", "acrobot-swingup", "acrobot-swingup-sparse"
    }  # fmt: skip
    assert len(names("tasks", "all")) == 104 and "hill-balance" not in names("tasks", "all")
    assert "tdmpc2 small" in bench(installed, "ls", "presets").stdout


def test_the_commands_of_the_page_work_with_the_example(installed: Path) -> None:
    commands = [words for words in pages.commands("docs/plugins.md") if "hill-balance" in words]
    assert len(commands) == 2
    for words in commands:
        dry = ["--dry-run"] if words[0] == "run" else []
        done = bench(installed, *words, *dry)
        assert done.returncode == 0, done.stderr


def test_an_agent_of_the_example_learns_a_task_of_the_example(
    installed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    arguments = ["--task", "hill-balance", "--seeds", "1", "--steps", "4k", "--eval-every", "4k"]
    done = bench(installed, "run", *arguments, "--agent", "climber,uniform", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(bench(installed, "status", str(out), "--json").stdout)["cells"]
    returns = {cell["agent"]: cell["last_return"] for cell in found}
    assert returns["climber"] > 1.5 * returns["uniform"]
    (manifest,) = out.glob("climber/default/hill-balance/1/run.json")
    content = json.loads(manifest.read_text())
    assert content["versions"]["tdmpc2-bench-example"] == "0.1.0"
    assert content["protocol"]["simulator"] == {"tdmpc2-bench-example": "0.1.0"}
    # Without the package the results can still be looked at.
    assert bench(tmp_path, "status", str(out)).returncode == 0
    assert bench(tmp_path, "why", str(manifest.parent)).returncode == 0


def test_tdmpc2_learns_a_task_of_the_example_that_ends_its_episodes(
    installed: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    settings = "mlp_dim=16,enc_dim=16,latent_dim=16,num_samples=16,num_elites=4,num_pi_trajs=2"
    done = bench(
        installed, "run", "--task", "hill-balance", "--preset", "small", "--seeds", "1",
        "--set", f"{settings},batch_size=16,seed_steps=200", "--steps", "300",
        "--eval-every", "300", "--eval-episodes", "1", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("tdmpc2/small*/hill-balance/1/attempt-1/train.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert len({row["length"] for row in rows}) > 1  # episodes ended before their limit
    assert rows[-1]["termination_loss"] > 0


# Entry points that cannot be used


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[str, str], Any]]:
    """What entry points refer to, by group and name; tests fill it."""
    contents: dict[tuple[str, str], Any] = {}

    def points(group: str) -> dict[str, EntryPoint]:
        return {n: EntryPoint(n, "own.module", group) for g, n in contents if g == group}

    def load(group: str, name: str) -> Any:
        return contents[group, name]

    monkeypatch.setattr(plugins, "points", points)
    monkeypatch.setattr(plugins, "load", load)
    caches = [
        registry.suites, registry.known_tasks, registry._task_names, registry._agent,
        registry._added_suite, plugins.warn,
    ]  # fmt: skip
    for cache in caches:
        cache.cache_clear()
    yield contents
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def renamed(name: str, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(toy.TASKS[0], name=name, **changes)


SUITE = {"DISTRIBUTIONS": ("numpy",), "make": toy.make}


@pytest.mark.parametrize(
    ("group", "content", "reason"),
    [
        ("suites", SimpleNamespace(TASKS=(), make=toy.make), "it has no DISTRIBUTIONS"),
        ("suites", SimpleNamespace(**SUITE, TASKS=(renamed("x"),)), "its suite is toy"),
        (
            "suites",
            SimpleNamespace(**SUITE, TASKS=(renamed("walker-walk", suite="own"),)),
            "a task named 'walker-walk' already",
        ),
        ("tasks", {"name": "x"}, "expected a Task whose suite there is"),
        ("tasks", renamed("x", suite="nowhere"), "expected a Task whose suite there is"),
        ("tasks", renamed("x", aliases=("dog-run",)), "a task named 'x' already"),
        ("agents", SimpleNamespace(__name__="own", __doc__=""), "No module named 'own'"),
    ],
    ids=str,
)
def test_what_is_broken_is_warned_of_left_out_and_explained_when_asked_for(
    added: dict[tuple[str, str], Any],
    caplog: pytest.LogCaptureFixture,
    group: plugins.Group,
    content: Any,
    reason: str,
) -> None:
    added[group, "own"] = content
    listed = {"suites": registry.suites, "tasks": registry.known_tasks, "agents": registry.agents}
    count = len(listed[group]())
    added.clear()
    registry.suites.cache_clear()
    registry.known_tasks.cache_clear()
    assert count == len(listed[group]())
    assert reason in caplog.text and "'own' of package" in caplog.text
    added[group, "own"] = content
    asking = {"suites": registry.suite, "agents": registry.agent}
    if group in asking:
        with pytest.raises(BrokenPlugin, match=reason):
            asking[group]("own")


def test_a_preset_must_be_one_and_may_not_take_the_name_of_ours(
    added: dict[tuple[str, str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    added["presets", "tdmpc2.quick"] = TDMPC2Config(size=1)
    added["presets", "tdmpc2.head"] = TDMPC2Config(size=1)
    added["presets", "tdmpc2.text"] = "size=1"
    added["presets", "uniform.text"] = "none of tdmpc2's business"
    presets = registry.agent("tdmpc2").presets
    assert set(presets) == {"paper", "head", "quick"}
    assert presets["head"] != TDMPC2Config(size=1)
    assert "tdmpc2 has a preset of that name" in caplog.text
    assert "expected a TDMPC2Config" in caplog.text and "uniform" not in caplog.text


@pytest.mark.parametrize("group", ["suites", "agents"])
def test_a_name_of_ours_stays_ours_with_a_warning(
    added: dict[tuple[str, str], Any], caplog: pytest.LogCaptureFixture, group: str
) -> None:
    name = {"suites": "toy", "agents": "uniform"}[group]
    added[group, name] = SimpleNamespace(__name__="own", TASKS=())
    listed = {"suites": registry.suites, "agents": registry.agents}[group]()
    assert listed[name] != added[group, name]
    assert f"{name!r} of package" in caplog.text and "of that name already" in caplog.text


def test_a_preset_without_an_agent_in_its_name_is_warned_of(
    added: dict[tuple[str, str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    added["presets", "small"] = TDMPC2Config(size=1)
    assert "small" not in registry.agent("tdmpc2").presets
    assert "expected a name like tdmpc2.small" in caplog.text


def test_of_two_packages_that_add_the_same_name_the_second_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = [EntryPoint("own", value, "tdmpc2_bench.tasks") for value in ("a:T", "b:T")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: found)
    plugins.points.cache_clear()
    plugins.warn.cache_clear()
    try:
        assert plugins.points("tasks")["own"].value == "a:T"
    finally:
        plugins.points.cache_clear()
    assert "two packages add a task 'own': a:T is taken" in caplog.text


def test_a_child_does_not_repeat_the_warnings(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken-0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0\n")
    (broken / "entry_points.txt").write_text("[tdmpc2_bench.suites]\nown = no_such_module\n")
    options = ["--task", "toy-point", "--agent", "uniform", "--seeds", "1", "--steps", "40"]
    done = bench(tmp_path, "run", *options, "--eval-every", "40", "--out", str(tmp_path / "runs"))
    assert done.returncode == 0
    assert done.stderr.count("Warning: suite 'own' of package broken") == 1
    (output,) = (tmp_path / "runs").glob("uniform/*/*/1/attempt-1/output.txt")
    assert output.read_text() == ""


def test_a_package_that_fails_to_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("own", "no_such_package.suite", "tdmpc2_bench.suites")
    monkeypatch.setattr(plugins, "points", lambda _: {"own": point})
    with pytest.raises(BrokenPlugin, match=r"suite 'own' .* No module named 'no_such_package'"):
        plugins.load("suites", "own")


def test_an_unknown_suite_is_compared_with_those_of_other_packages(
    added: dict[tuple[str, str], Any],
) -> None:
    added["suites", "ownsuite"] = SimpleNamespace(**SUITE, TASKS=())
    with pytest.raises(UnknownName, match="Did you mean 'ownsuite'"):
        registry.suite("ownsuit")
