"""Whether the packages we need are there, as we need them, and as they were tested together."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tdmpc2_bench import protocol, registry
from tdmpc2_bench.doctor.finding import Finding, Status

_OURSELVES = "tdmpc2-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Finding):
    """One distribution."""

    installed: str | None
    tested: str | None  # the version in the constraints file, if it is there

    @property
    def found(self) -> str:
        """The installed version."""
        return self.installed or ""


@dataclass(frozen=True, slots=True)
class Need:
    """A requirement of ours."""

    requirement: Requirement
    extra: str  # which extra asks for it; empty: we always do


def findings() -> dict[str, Package]:
    """Every package that we or our extras need, then any other that has lost modules."""
    needs = list(_needs())
    names = [need.requirement.name for need in needs]
    installed, tested = protocol.versions(names), pins()
    judged = {
        name: judge(need, installed[name], tested.get(canonicalize_name(name)))
        for name, need in zip(names, needs, strict=True)
    }
    return {**judged, **_damaged()}


def pins() -> dict[str, str]:
    """The versions that were tested together, by canonical name."""
    file = importlib.resources.files("tdmpc2_bench.constraints") / "cpu.txt"
    lines = [line for line in file.read_text().splitlines() if "==" in line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def judge(need: Need, installed: str | None, tested: str | None) -> Package:
    """What to say of a package in the version ``installed``, where ``tested`` is the known one."""
    status, reason = _judgement(need, installed, tested)
    return Package(status=status, reason=reason, installed=installed, tested=tested)


def _judgement(need: Need, installed: str | None, tested: str | None) -> tuple[Status, str]:
    source = f'"{_OURSELVES}[{need.extra}]"' if need.extra else _OURSELVES
    specifier = need.requirement.specifier
    if installed is None:
        return "missing" if need.extra else "broken", f"pip install {source}"
    if not specifier.contains(installed, prereleases=True):
        name = need.requirement.name
        return "broken", f'{source} needs {specifier}; pip install "{name}{specifier}"'
    if tested is not None and Version(installed).public != tested:
        return "note", f"tested with {tested}{_consequence(need.requirement.name)}"
    return "ok", ""


def _needs() -> Iterator[Need]:
    """What our own metadata asks for, each distribution once."""
    metadata = importlib.metadata.distribution(_OURSELVES)
    seen = {_OURSELVES}
    for extra in ("", *(metadata.metadata.get_all("Provides-Extra") or [])):
        for text in metadata.requires or []:
            requirement = Requirement(text)
            name, marker = requirement.name, requirement.marker
            if name not in seen and (marker is None or marker.evaluate({"extra": extra})):
                seen.add(name)
                yield Need(requirement, extra)


def _consequence(name: str) -> str:
    """What another version of a package means for results, if it means anything."""
    of_agents = [one for entry in registry.agents().values() for one in entry.distributions]
    if name in (*protocol.learning_versions(), *of_agents):
        return "; a cell begun with one version is not continued with another"
    if any(name in registry.suite(suite).DISTRIBUTIONS for suite in registry.SUITES):
        return "; results made with different versions are never mixed"
    return ""


def _damaged() -> dict[str, Package]:
    """Installed distributions whose compiled modules are gone.

    Upgrading MuJoCo 3 to 4 in place leaves them so: the old one's files are removed after the new
    one's were written, under the same names.
    """
    found = {}
    for distribution in importlib.metadata.distributions():
        files = [file for file in distribution.files or [] if file.suffix == ".so"]
        gone = [file for file in files if not Path(str(file.locate())).exists()]
        if gone:
            name, version = distribution.name, distribution.version
            reason = (
                f"{len(gone)} of its {len(files)} compiled modules are gone; "
                f"pip install --force-reinstall --no-deps {name}=={version}"
            )
            found[name] = Package(status="broken", reason=reason, installed=version, tested=None)
    return found
