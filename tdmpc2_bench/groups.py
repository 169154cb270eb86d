"""Over which tasks numbers are taken together: the suites, DMControl's kinds of tasks, all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tdmpc2_bench import registry
from tdmpc2_bench.errors import UnknownName

ALL = "all"


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks whose scores are aggregated, in the benchmark's order."""

    name: str
    tasks: tuple[str, ...]


def of(names: Iterable[str]) -> list[Group]:
    """The groups that ``names`` make up, those of a single suite first, `ALL` last.

    Args:
        names: tasks that there are results of. Some the registry may not know: they are in a group
            only if their suite is.

    Returns:
        Groups with at least one task; a part of a suite only beside others of it. "all" is there
        if several suites are; it leaves out what is not part of the benchmark.
    """
    present = set(names)
    found: dict[str, list[str]] = {}
    for row in registry.known_tasks():
        if row.name in present:
            for group in _groups(row.suite, row.tags):
                found.setdefault(group, []).append(row.name)
    adhoc = sorted(name for name in present - {n for g in found.values() for n in g})
    for name in adhoc:
        found.setdefault(_suite_of(name), []).append(name)
    ours = [row.name for row in registry.tasks() if row.name in present]
    suites = {registry.task(name).suite for name in ours}
    if len(suites) > 1:
        found[ALL] = ours
    return [
        Group(name, tuple(tasks))
        for name, tasks in found.items()
        if tasks != found.get(name.partition("-")[0]) or "-" not in name  # a part that is all of it
    ]


def _groups(suite: str, tags: frozenset[str]) -> list[str]:
    if suite != "dmcontrol":
        return [suite]
    kinds = ["locomotion" if "locomotion" in tags else "other"]
    kinds += ["custom"] if "custom" in tags else []
    return [suite, *(f"{suite}-{kind}" for kind in kinds)]


def _suite_of(name: str) -> str:
    """The suite of a task that stands in no table, by its name: "gym:Hopper-v5"."""
    try:
        return registry.task(name).suite
    except UnknownName:
        return "other"
