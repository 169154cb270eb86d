"""The documentation speaks of everything there is, and its commands work."""

import configparser
import dataclasses
import doctest
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pages
import pytest
import yaml
from pages import PAGES, ROOT

from tdmpc2_bench import registry
from tdmpc2_bench.cli import _COMMANDS, call, cli
from tdmpc2_bench.doctor import traps

EXPERIMENTS = {name: text for page in PAGES for name, text in pages.files(page, "yaml").items()}
COMMANDS = {
    " ".join(words): words
    for page in PAGES
    for words in pages.commands(page)
    if "hill-balance" not in words  # of the example package: tests/test_plugins.py
}
TAUGHT = ("README.md", "docs/quickstart.md")  # pages whose commands build on one another


def every_command(group: click.Group = cli, *above: str) -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield " ".join([*above, name]), command
        if isinstance(command, click.Group):
            yield from every_command(command, *above, name)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speeds that examples measure are kept for no one else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.with_name("cache")))


@pytest.fixture
def hook() -> ModuleType:
    """What the site's build calls, without mkdocs."""
    path = ROOT / "docs" / "hooks" / "command_reference.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "command"), [*every_command()])
def test_every_command_and_every_option_has_help(name: str, command: click.Command) -> None:
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.opts[-1]} has no help"


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_stands_in_the_readme(name: str) -> None:
    assert any(command[0] == name for command, _ in pages.console("README.md"))


def test_every_command_and_option_is_in_the_reference(hook: ModuleType) -> None:
    page = hook.on_page_markdown(PAGES["docs/cli.md"])
    for name, command in every_command():
        found = re.search(rf"^#+ {name}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
        assert found, name
        for option in command.params:
            if isinstance(option, click.Option):
                written = option.opts[-1]
                assert re.search(rf"^\| `.*{written}\b", found[1], re.MULTILINE), (
                    f"{name} {written}"
                )


def test_only_the_page_with_the_marker_gets_the_reference(hook: ModuleType) -> None:
    assert hook.on_page_markdown("# Other") == "# Other"
    assert hook.MARKER in PAGES["docs/cli.md"]


def test_the_reference_means_what_the_help_says(hook: ModuleType) -> None:
    text = r"a <b> [c] *d* | `<e>|f`"
    assert hook._escaped(text) == r"a &lt;b> \[c\] \*d\* \| `<e>|f`"


def test_every_page_is_in_the_navigation_once() -> None:
    def leaves(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        else:
            for part in entry.values() if isinstance(entry, dict) else entry:
                yield from leaves(part)

    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    expected = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    assert sorted(leaves(settings["nav"])) == sorted(expected)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGES[page]):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).is_file(), target


def test_every_agent_and_preset_is_documented() -> None:
    text = "".join(PAGES.values())
    for name in registry.AGENTS:
        assert name in text
        for preset in registry.agent(name).presets:
            assert f"`{preset}`" in text or preset == name


@pytest.mark.parametrize(("agent", "heading"), [("tdmpc2", "## Presets"), ("sac", "## Which SAC")])
def test_the_preset_table_names_exactly_the_fields_that_differ(agent: str, heading: str) -> None:
    presets: Any = registry.agent(agent).presets
    one, other = (dataclasses.asdict(preset) for preset in presets.values())
    differing = {name for name in one if one[name] != other[name]}
    section = PAGES[f"docs/agents/{agent}.md"].partition(heading)[2].partition("\n## ")[0]
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
    for page, text in PAGES.items():
        for name in re.findall(r"`(test_\w+)`", text):
            assert f"def {name}(" in tests, f"{page} names {name}"


def test_every_tox_environment_that_a_page_names_exists() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "tox.ini")
    for page, text in PAGES.items():
        for names in re.findall(r"tox (?:run|exec) -e ([\w,-]+)", text):
            for name in names.split(","):
                assert settings.has_section(f"testenv:{name}"), f"{page} names {name}"


def test_every_deviation_marked_in_the_code_is_listed() -> None:
    marked = [
        path
        for folder in ("tdmpc2_bench", "suites", "baselines")
        for path in (ROOT / folder).rglob("*.py")
        if "# Deviation:" in path.read_text()
    ]
    page = PAGES["docs/deviations.md"]
    for path in marked:
        for text in re.findall(r"# Deviation: (\w+)", path.read_text()):
            assert text.lower() in page.lower(), f"{path.name}: {text}"


def test_the_changelog_has_unreleased_changes_for_users() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in text


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_on_a_page_is_a_valid_one(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in EXPERIMENTS.items():
        Path(name).write_text(text)
    asks_for_training = command[0] == "run" and len(command) > 1
    needs_plug_in = "hill-balance" in "".join(EXPERIMENTS.get(word, "") for word in command)
    if asks_for_training and not command[1].startswith("runs/") and not needs_plug_in:
        assert call([*command, "--dry-run"]) == 0
    else:  # of something that is not here: it is read to the last option, and not carried out
        with monkeypatch.context() as patch:
            patch.setattr(click.Command, "invoke", lambda *_: 0)
            patch.setattr(click.Path, "convert", lambda _, value, *__: value)
            assert call(command) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(EXPERIMENTS)


def test_a_command_that_is_not_valid_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Command, "invoke", lambda *_: 0)
    for command in (["stats", "runs/x"], ["status", "--al", "runs"], ["ls", "task"], ["why"]):
        assert call(command) == 1


@pytest.mark.parametrize(
    "page", [page for page, text in PAGES.items() if ">>> " in text and page not in TAUGHT]
)
def test_the_examples_in_python_hold(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(ROOT / page), module_relative=False)
    assert found.attempted > 0 and found.failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("page", TAUGHT)
def test_the_commands_of_a_page_work_one_after_another(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need no simulator; they print what the page shows, up to numbers and progress."""
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    for command, shown in pages.console(page):
        if any(word.startswith("runs/") and "toy" not in word for word in command):
            continue
        if command[0] == "setup":  # tests/test_provision.py
            continue
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tdmpc2_bench", *command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        lines = [line for line in shown if " env steps, " not in line]
        assert {*map(without_numbers, lines)} <= {*map(without_numbers, done.stdout.splitlines())}
    assert Path("runs/toy/report/figures/curves-toy-point.png").exists()
    assert doctest.testfile(str(ROOT / page), module_relative=False).failed == 0


def without_numbers(line: str) -> str:
    return " ".join(re.sub(r"-?\d[\d.,]*", "#", line).split())
