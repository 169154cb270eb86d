"""What the Tab key offers, asked as the shells ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tdmpc2_bench import registry
from tdmpc2_bench.cli import COMPLETE, PROGRAM, call

PYTHON = [sys.executable, "-P"]
TAGS = sorted({tag for row in registry.tasks() for tag in row.tags})
HEAVY = ("torch", "gymnasium", "dm_control", "mujoco", "pandas", "matplotlib")


def ask(shell: str, *pieces: str, code: str | None = None) -> str:
    """The answer to a shell whose words, as it has split them, end where the cursor is."""
    environment = {
        **os.environ,
        COMPLETE: f"{shell}_complete",
        "COMP_WORDS": "\n".join([PROGRAM, *pieces]),
        "COMP_CWORD": pieces[-1] if shell == "fish" else str(len(pieces)),
    }
    command = [*PYTHON, "-c", code] if code else [*PYTHON, "-m", "tdmpc2_bench"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def offered(*pieces: str) -> list[str]:
    """What bash would put in place of the last of ``pieces``, or after it if it is a break."""
    return [line.removeprefix("plain,") for line in ask("bash", *pieces).split()]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["st"], ["status"]),
        (["run", "--dry"], ["--dry-run"]),
        (["ls", "su"], ["suites"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["ls", "tasks", "dog-"], ["dog-stand", "dog-walk", "dog-trot", "dog-run"]),
        (["run", "--task", "toy-po"], ["toy-point"]),
        (["run", "--task", "mt"], ["mt30", "mt80"]),
        (["run", "--suite", ""], ["all", *registry.SUITES, "toy"]),
        (["run", "--agent", ""], [*registry.AGENTS]),
        (["run", "--preset", ""], [*registry.agent("tdmpc2").presets]),
        (["run", "--agent", "uniform", "--preset", ""], ["uniform"]),
        (["run", "--agent", "tdmpc2,uniform", "--preset", ""], []),
        (["run", "--set", "hor"], ["horizon="]),
        (["run", "--agent", "uniform", "--set", ""], []),
        (["run", "--agent", "nobody", "--set", ""], []),
        (["run", "--keep", ""], ["weights", "replay", "all"]),
        (["run", "--allow", ""], ["damaged", "inexact", "changed"]),
        (["why", ""], ["dir,"]),
        (["run", "hori"], ["file,hori"]),
    ],
    ids=" ".join,
)
def test_values_are_offered_where_there_are_some(pieces: list[str], expected: list[str]) -> None:
    assert offered(*pieces) == expected


def test_all_that_begins_as_written_is_offered() -> None:
    names = {row.name for row in registry.known_tasks()}
    assert names | {"all", "suite:dmcontrol", "tag:custom"} <= set(offered("run", "--task", ""))
    assert {"size=", "mpc=", "lr="} <= set(offered("run", "--set", ""))


def test_the_last_part_of_a_list_is_completed() -> None:
    assert offered("run", "--task", "toy-point,toy-") == ["toy-point,toy-plane"]
    assert offered("run", "--allow", "changed,inexact,") == ["changed,inexact,damaged"]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["run", "--task", "suite", ":", "dm"], ["dmcontrol"]),
        (["run", "--task", "tag", ":"], TAGS),
        (["run", "--task", "tag", ":", "cus"], ["custom"]),
        (["run", "--task", "toy-point,suite", ":", "dm"], ["dmcontrol"]),
        (["run", "--task", "=", "toy-po"], ["toy-point"]),
        (["run", "--task", "=", "suite", ":", "dm"], ["dmcontrol"]),
        (["run", "--set", "size", "="], ["1", "5", "19", "48", "317"]),
        (["run", "--set", "size", "=", "1,mpc", "=", "o"], ["on", "off"]),
        (["run", "--set", "size", "=", "1,hor"], ["1,horizon="]),
        (["run", "--set", "size", "=", "1,siz"], []),
        (["run", "--set", "horizon", "="], []),
        (["run", "--set", "=", "size", "=", "4"], ["48"]),
        (["run", "--set", "size", "=", "1", "--age"], ["--agent"]),
    ],
    ids=" ".join,
)
def test_words_that_bash_takes_apart_are_understood(pieces: list[str], expected: list[str]) -> None:
    assert offered(*pieces) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_whole_words(shell: str) -> None:
    assert "suite:dmcontrol" in ask(shell, "run", "--task", "suite:dm")
    assert "--task=toy-point,toy-plane" in ask(shell, "run", "--task=toy-point,toy-pl")
    assert "size=1,horizon=" in ask(shell, "run", "--set", "size=1,hor")


@pytest.mark.parametrize(
    "pieces", [[""], ["run", "--task", ""], ["run", "--set", ""], ["run", "--keep", ""]], ids=str
)
def test_completing_loads_nothing_heavy(pieces: list[str]) -> None:
    code = (
        "import atexit, sys; from tdmpc2_bench.cli import main; "
        f"atexit.register(lambda: print('loaded', [m for m in {HEAVY} if m in sys.modules])); "
        "main([])"
    )
    assert ask("bash", *pieces, code=code).endswith("loaded []\n")


def test_names_of_commands_are_offered_without_loading_the_commands() -> None:
    code = (
        "import atexit, sys; from tdmpc2_bench.cli import main; "
        "atexit.register(lambda: print('loaded', 'tdmpc2_bench.cli.run' in sys.modules)); main([])"
    )
    answer = ask("bash", "", code=code)
    assert "plain,run\n" in answer and answer.endswith("loaded False\n")


@pytest.mark.parametrize(
    ("shell", "own"),
    [
        ("bash", "compopt -o nospace"),
        ("zsh", "compadd -U -V unsorted -S ''"),
        ("fish", "string split --max 1"),
    ],
)
def test_the_script_of_every_shell_is_clicks_with_our_change(
    shell: str, own: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(["completion", shell]) == 0
    script = capfd.readouterr().out
    assert f"{COMPLETE}={shell}_complete" in script and own in script


def test_an_unknown_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["completion", "tcsh"]) == 1
    assert "bash" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_takes_the_script_and_fills_in_the_word(tmp_path: Path) -> None:
    """As readline calls it, but for `compopt`, which works only while it does."""
    program = tmp_path / PROGRAM
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m tdmpc2_bench "$@"\n')
    program.chmod(0o755)
    script = f"""
    eval "$({PROGRAM} completion bash)"
    compopt() {{ echo "compopt $1 $2"; }}
    COMP_WORDS=({PROGRAM} run --set size = 1,hor) COMP_CWORD=5
    _tdmpc2_bench_completion {PROGRAM}
    echo "${{COMPREPLY[@]}}"
    complete -p {PROGRAM}
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "compopt -o nospace",
        "1,horizon=",
        f"complete -o nosort -F _tdmpc2_bench_completion {PROGRAM}",
    ], done.stderr
