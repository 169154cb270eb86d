"""An interpreter that is not the tests' own: a virtual environment with base dependencies alone."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

PARTS = ("suites", "baselines", "reports", "constraints")  # that a checkout has elsewhere


def copy_package(folder: Path) -> None:
    """Copy our package into ``folder``, as a wheel would install it."""
    nothing = shutil.ignore_patterns("__pycache__", *PARTS)
    shutil.copytree(_origin("tdmpc2_bench"), folder / "tdmpc2_bench", ignore=nothing)
    for part in PARTS:
        place = folder / "tdmpc2_bench" / part
        shutil.copytree(_origin(f"tdmpc2_bench.{part}"), place, ignore=nothing)


def make(folder: Path) -> Path:
    """Make the environment in ``folder``; returns its executable.

    What is installed in it is linked from the tests' own environment, so nothing is fetched.
    """
    command = [sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    copy_package(site)
    for name in _base():
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)
    return folder / "bin" / "python"


def _base(name: str = "tdmpc2-bench") -> set[str]:
    """Distributions that one needs, whatever extras others want."""
    found = set()
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found |= {requirement.name} | _base(requirement.name)
    return found


def _origin(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
