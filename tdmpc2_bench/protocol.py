"""Under which conditions a result was made: what must be equal for two results to compare.

The protocol is the environment's side (task, limits, simulator versions); its hash is the
fingerprint that is written with every result. Provenance is everything else worth knowing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tdmpc2_bench.task import Task

# The name of the set of simulator versions that belong together; there is one so far, the one that
# is pinned in constraints/.
PROFILE = "modern"

# Distributions whose versions can change an agent's numbers.
_LEARNING = ("numpy", "torch")


def protocol(
    task: Task,
    distributions: Iterable[str],
    rules: Mapping[str, str] = MappingProxyType({}),
    *,
    path: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The conditions under which ``task`` is played here.

    Args:
        task: the task.
        distributions: those whose versions define the suite's simulator.
        rules: what its suite adds, or says instead.
        path: folders they are installed in; None: those of this interpreter.
    """
    return {
        "profile": PROFILE,
        "task": task.name,
        "env_id": task.env_id,
        "action_repeat": task.action_repeat,
        "episode_steps": task.episode_steps,
        "success": "last step" if task.metric == "success" else None,
        "reward": "suite",
        "observation": "state",
        "simulator": versions(distributions, path),
        **rules,
    }


def fingerprint(conditions: Mapping[str, Any]) -> str:
    """Short hash of a protocol."""
    text = json.dumps(conditions, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def versions(
    distributions: Iterable[str], path: Sequence[str] | None = None
) -> dict[str, str | None]:
    """Installed version of each distribution, None where it is missing.

    Args:
        distributions: their names.
        path: folders to look in; None: those of this interpreter.
    """
    folders = sys.path if path is None else list(path)
    found: dict[str, str | None] = {}
    for name in distributions:
        installed = importlib.metadata.distributions(name=name, path=folders)
        found[name] = next((one.version for one in installed), None)
    return found


def learning_versions(further: Iterable[str] = ()) -> dict[str, str | None]:
    """Versions that a started cell must keep to continue bit for bit.

    Args:
        further: distributions that an agent learns with, or comes from.
    """
    return versions((*_LEARNING, *further))


def provenance() -> dict[str, Any]:
    """Code and machine, for the record only."""
    return {
        "tdmpc2_bench": versions(["tdmpc2-bench"])["tdmpc2-bench"],
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
    }


def _git_commit() -> str | None:
    """Commit of the checkout this package is imported from, "-dirty" with uncommitted changes."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    # Only a checkout of this project: an installed copy may lie inside some other repository.
    if not (folder.parent / ".git").exists():
        return None
    try:
        return subprocess.run(  # noqa: S603 - fixed command
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """The model of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
