"""Which suites can be run here; their simulators are not imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tdmpc2_bench import protocol, registry
from tdmpc2_bench.doctor.finding import Finding
from tdmpc2_bench.errors import SuiteUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Finding):
    """One suite."""

    tasks: int  # how many it has
    versions: Mapping[str, str | None]  # of its simulator's distributions

    @property
    def found(self) -> str:
        """Its versions, where it can be run."""
        if self.status != "ok":
            return ""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


def findings() -> dict[str, Suite]:
    """Every suite of the benchmark."""
    return {name: _examine(name) for name in registry.SUITES}


def _examine(name: str) -> Suite:
    module = registry.suite(name)
    tasks, versions = len(module.TASKS), protocol.versions(module.DISTRIBUTIONS)
    try:
        registry.check_available(name)
    except SuiteUnavailable as error:
        return Suite(status="missing", reason=str(error), tasks=tasks, versions=versions)
    return Suite(status="ok", tasks=tasks, versions=versions)
