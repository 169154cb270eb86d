"""The documentation speaks of everything there is, and its commands work."""

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tdmpc2_bench import registry
from tdmpc2_bench.cli import _COMMANDS, call, cli
from tdmpc2_bench.doctor import traps

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONSOLE = [
    shlex.split(line.removeprefix("$ tdmpc2-bench "), comments=True)
    for line in README.splitlines()
    if line.startswith("$ tdmpc2-bench ")
]


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    options = re.findall(r"^  (--[\w-]+)(.*)$", shown.output, flags=re.MULTILINE)
    for option, rest in options:
        words = rest.replace("TEXT", "").replace("INTEGER", "")
        assert option in {"--episodes", "--device"} or words.strip(), f"{name} {option} has no help"
    assert any(command[0] == name for command in CONSOLE)


def test_every_agent_and_preset_is_documented() -> None:
    pages = README + "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    for name in registry.AGENTS:
        assert name in pages
        for preset in registry.agent(name).presets:
            assert f"`{preset}`" in pages or preset == name


def test_the_preset_table_names_exactly_the_fields_that_differ() -> None:
    presets: Any = registry.agent("tdmpc2").presets
    paper, head = (dataclasses.asdict(presets[name]) for name in ("paper", "head"))
    differing = {name for name in paper if paper[name] != head[name]}
    page = (ROOT / "docs" / "agents" / "tdmpc2.md").read_text()
    section = page.partition("## Presets")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert set(rows) == differing


def test_every_trap_is_documented_as_it_is() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    rows = []
    for trap in traps.TRAPS:
        versions = [f"`{one}`" for one in trap.together]
        versions += [f"no `{trap.without}`"] if trap.without else []
        rows.append(f"| {', '.join(versions)} | {trap.breaks} | {trap.cure} |")
    section = page.partition("## Traps")[2]
    assert rows == re.findall(r"^\| .*`.*$", section, flags=re.MULTILINE)


def test_every_test_that_a_page_names_exists() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for page in (ROOT / "docs").rglob("*.md"):
        for name in re.findall(r"`(test_\w+)`", page.read_text()):
            assert f"def {name}(" in tests, f"{page.name} names {name}"


def test_every_deviation_marked_in_the_code_is_listed() -> None:
    marked = [
        path
        for folder in ("tdmpc2_bench", "suites", "baselines")
        for path in (ROOT / folder).rglob("*.py")
        if "# Deviation:" in path.read_text()
    ]
    page = (ROOT / "docs" / "deviations.md").read_text()
    for path in marked:
        for text in re.findall(r"# Deviation: (\w+)", path.read_text()):
            assert text.lower() in page.lower(), f"{path.name}: {text}"


def test_the_changelog_has_unreleased_changes_for_users() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in text


@pytest.mark.parametrize("command", [c for c in CONSOLE if c[0] == "run"], ids=" ".join)
def test_the_readmes_runs_are_valid(command: list[str], tmp_path: Path) -> None:
    assert call([*command, "--dry-run", "--out", str(tmp_path / "runs")]) == 0


@pytest.mark.slow
def test_the_readmes_commands_work_one_after_another(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    for command in CONSOLE:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tdmpc2_bench", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert (tmp_path / "runs/toy/report/curves-toy-point.png").exists()
