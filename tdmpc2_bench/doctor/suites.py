"""Which suites can be run here; their simulators are not imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tdmpc2_bench import interpreters, protocol, registry
from tdmpc2_bench.doctor.finding import Finding, Status
from tdmpc2_bench.errors import BenchError, SuiteUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Finding):
    """One suite."""

    tasks: int  # how many it has
    versions: Mapping[str, str | None]  # of its simulator's distributions
    python: str | None = None  # the interpreter of its own that it runs in; None: it needs none

    @property
    def found(self) -> str:
        """Its versions, where it can be run."""
        if self.status != "ok":
            return ""
        text = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{text} in {self.python}" if self.python else text


def findings() -> dict[str, Suite]:
    """Every suite of the benchmark."""
    return {name: _examine(name) for name in registry.SUITES}


def _examine(name: str) -> Suite:
    module = registry.suite(name)
    tasks = len(module.TASKS)
    versions = protocol.versions(module.DISTRIBUTIONS, registry.path(name))
    try:
        python = registry.interpreter(name)
        registry.check_interpreter(name)
    except BenchError as error:
        status: Status = "broken" if _has_its_own(name) else "missing"
        return Suite(status=status, reason=str(error), tasks=tasks, versions=versions)
    place = None if python is None else str(python)
    return Suite(status="ok", tasks=tasks, versions=versions, python=place)


def _has_its_own(name: str) -> bool:
    """Whether somebody has named an interpreter for it."""
    try:
        return interpreters.find(name) is not None
    except SuiteUnavailable:
        return True
