"""The wheel holds everything, nothing leaks out of it, and every version is pinned."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tdmpc2_bench.doctor import traps

ROOT = Path(__file__).parents[1]
FOLDERS = ("tdmpc2_bench", "suites", "baselines", "reports", "constraints")
SUFFIXES = {".py", ".xml", ".txt", ".typed", ".gz", ".json", ".html", ".css", ".js"}
DISTRIBUTION = importlib.metadata.distribution("tdmpc2-bench")


def is_editable() -> bool:
    text = DISTRIBUTION.read_text("direct_url.json")
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def installed_name(path: Path) -> str:
    """Where a file of the checkout lies in an installation."""
    inside = path.relative_to(ROOT)
    return str(inside if inside.parts[0] == "tdmpc2_bench" else "tdmpc2_bench" / inside)


def test_every_package_is_named_in_pyproject() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {
        installed_name(init.parent).replace("/", ".")
        for folder in FOLDERS
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert sorted(found) == sorted(settings["tool"]["setuptools"]["packages"])


@pytest.mark.skipif(is_editable(), reason="an editable install has no files of its own; tox has")
def test_every_source_and_data_file_is_installed() -> None:
    expected = {
        installed_name(path)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in SUFFIXES
    }
    installed = {str(path) for path in DISTRIBUTION.files or []}
    assert not expected - installed


def test_bare_folder_names_are_not_importable(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, tdmpc2_bench.suites, tdmpc2_bench.baselines\n"
        f"print([n for n in {FOLDERS[1:]} if u.find_spec(n)])"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_runner_starts_from_the_checkouts_own_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tdmpc2_bench", "run", "--task", "toy-point"]
    command += ["--agent", "uniform", "--seeds", "1", "--steps", "80", "--eval-every", "80"]
    command += ["--eval-episodes", "1", "--out", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def pinned(name: str = "cpu.txt") -> dict[str, str]:
    lines = (ROOT / "constraints" / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def needed(name: str, extras: frozenset[str] = frozenset()) -> dict[str, str]:
    """Everything a distribution needs, transitively, with the installed versions."""
    found: dict[str, str] = {}
    waiting = [(name, extras)]
    done = set()
    while waiting:
        current, extras = waiting.pop()
        if (current, extras) in done:
            continue
        done.add((current, extras))
        for text in importlib.metadata.requires(current) or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in {"", *extras}):
                key = canonicalize_name(requirement.name)
                found[key] = re.sub(r"\+.*", "", importlib.metadata.version(key))
                waiting.append((key, frozenset(requirement.extras)))
    found.pop("tdmpc2-bench", None)
    return found


def test_the_constraints_pin_every_dependency_at_the_installed_version() -> None:
    expected = needed("tdmpc2-bench", frozenset({"all"}))
    pins = pinned()
    assert {"torch", "mujoco", "dm-control", "pandas", "matplotlib", "numpy"} <= set(expected)
    assert expected == {name: pins.get(name) for name in expected}


@pytest.mark.parametrize(
    ("name", "version"), [("torch", "2.13.0"), ("mujoco", "3.16.0"), ("dm-control", "1.0.49")]
)
def test_known_traps_are_pinned_away(name: str, version: str) -> None:
    assert pinned()[name] == version
    assert int(pinned()["pandas"].split(".")[0]) < 3


def test_maniskill2s_interpreter_has_our_base_dependencies_and_no_known_trap() -> None:
    own, ours = pinned("maniskill2.txt"), pinned()
    requirements = map(Requirement, importlib.metadata.requires("tdmpc2-bench") or [])
    base = {canonicalize_name(one.name) for one in requirements if one.marker is None}
    assert {"numpy", "gymnasium"} <= base <= set(own)
    assert {name for name in base if own[name] != ours[name]} == {"numpy"}
    assert not [trap.name for trap in traps.TRAPS if trap.caught(own)]
    assert "torch" not in own
