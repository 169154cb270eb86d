"""What is wrong with an installation and a machine, and what to do about it, as one report."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdmpc2_bench import protocol, registry
from tdmpc2_bench.doctor import disk, gpu, packages, rendering, suites, tasks, traps
from tdmpc2_bench.doctor.finding import Finding
from tdmpc2_bench.doctor.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, by what was looked at."""

    machine: Mapping[str, Any]  # code, interpreter and processor, for a report of a problem
    packages: Mapping[str, packages.Package]
    traps: Mapping[str, traps.Sprung]
    suites: Mapping[str, suites.Suite]
    gpu: Mapping[str, Finding]
    rendering: Mapping[str, Finding]
    disk: Mapping[str, disk.Disk]
    tasks: Mapping[str, Trial]  # those that were tried

    def checks(self) -> Iterator[tuple[str, Mapping[str, Finding]]]:
        """Every check with what it found, by name."""
        for one in dataclasses.fields(self):
            if one.name != "machine":
                yield one.name, getattr(self, one.name)

    @property
    def broken(self) -> list[str]:
        """What does not do what it is there for: "traps sapien-numpy-2"."""
        return [
            f"{check} {name}"
            for check, findings in self.checks()
            for name, finding in findings.items()
            if finding.status == "broken"
        ]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, check by check and name by name."""
        return dataclasses.asdict(self)


def examine(patterns: Iterable[str] = (), *, out: str | Path = "runs") -> Report:
    """Examine the installation and the machine.

    Args:
        patterns: tasks to build and step as well, as in `tdmpc2_bench.tasks`; none by default.
        out: where results are to go.

    Raises:
        UnknownName: a pattern that fits no task.
    """
    rows = registry.select(patterns)
    with contextlib.ExitStack() as children:
        asked = children.enter_context(gpu.ask_torch())
        frames = {
            name: children.enter_context(rendering.draw(name)) for name in rendering.back_ends()
        }
        driver = gpu.driver()
        return Report(
            machine=protocol.provenance(),
            packages=packages.findings(),
            traps=traps.findings(),
            suites=suites.findings(),
            disk={"out": disk.examine(Path(out))},
            gpu={"driver": driver, "torch": gpu.torch(asked, driver)},
            rendering=rendering.findings(frames),
            tasks=dict(tasks.trials(rows)),
        )
