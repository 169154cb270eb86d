"""The hash of our code is the same wherever that lies, and another for other code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import foreign
import pytest

from tdmpc2_bench.worker import source


def digest_of(folder: Path) -> str:
    """The hash that a package in ``folder`` finds."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    program += "from tdmpc2_bench.worker import source; print(source.digest())"
    command = [sys.executable, "-P", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def append(file: Path) -> None:
    file.write_text(file.read_text() + "\n")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    foreign.copy_package(tmp_path)
    return tmp_path


def test_a_copy_elsewhere_has_the_same_hash(copy: Path) -> None:
    assert digest_of(copy) == source.digest()
    (copy / "tdmpc2_bench" / "suites" / "__pycache__").mkdir(exist_ok=True)
    (copy / "tdmpc2_bench" / "suites" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (copy / "tdmpc2_bench" / "grid.py").write_text("# of no account to an environment\n")
    assert digest_of(copy) == source.digest()


@pytest.mark.parametrize(
    "change",
    [
        lambda package: append(package / "env.py"),
        lambda package: append(package / "suites" / "toy_simulation.py"),
        lambda package: (package / "suites" / "new.py").touch(),
        lambda package: append(next((package / "suites").rglob("*.xml"))),
        lambda package: append(package / "worker" / "frames.py"),
    ],
)
def test_other_code_has_another_hash(copy: Path, change: Callable[[Path], object]) -> None:
    change(copy / "tdmpc2_bench")
    assert digest_of(copy) != source.digest()
