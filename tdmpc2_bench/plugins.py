"""What other packages add: suites, tasks, agents and presets, by entry points.

An entry point of the group ``tdmpc2_bench.suites`` (and so on) names a thing and says where it is.
One that cannot be used is warned of and left out, so that a broken package breaks no other; who
asks for it by name is told why. What the things themselves must be is the registry's business.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

from tdmpc2_bench.errors import BrokenPlugin

Group = Literal["suites", "tasks", "agents", "presets"]
_Taken = TypeVar("_Taken")
_LOGGER = logging.getLogger(__name__)


@functools.cache
def points(group: Group) -> Mapping[str, importlib.metadata.EntryPoint]:
    """Entry points of a group by name; nothing of theirs is imported."""
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for one in sorted(importlib.metadata.entry_points(group=f"tdmpc2_bench.{group}")):
        if found.setdefault(one.name, one) is not one and one.value != found[one.name].value:
            kind = group.removesuffix("s")
            warn(f"two packages add a {kind} {one.name!r}: {found[one.name].value} is taken")
    return found


def new(group: Group, taken: Iterable[str]) -> list[str]:
    """Names of a group's entry points but for those that are taken, which are warned of."""
    ours = set(taken)
    for name in ours & set(points(group)):
        warn(str(broken(group, name, f"there is a {group.removesuffix('s')} of that name already")))
    return [name for name in points(group) if name not in ours]


def load(group: Group, name: str) -> Any:
    """What the entry point of that name refers to.

    Raises:
        BrokenPlugin: its package cannot be imported, or has nothing there.
    """
    try:
        return points(group)[name].load()
    except Exception as error:  # a package may raise anything when it is imported
        raise broken(group, name, f"{type(error).__name__}: {error}") from error


def usable(names: Iterable[str], take: Callable[[str], _Taken]) -> dict[str, _Taken]:
    """What ``take`` makes of entry points; those that are broken are left out with a warning."""
    found = {}
    for name in names:
        try:
            found[name] = take(name)
        except BrokenPlugin as error:
            warn(str(error))
    return found


def broken(group: Group, name: str, reason: str) -> BrokenPlugin:
    """Word why an entry point cannot be used."""
    kind, value = group.removesuffix("s"), points(group)[name].value
    source = distribution(group, name)
    return BrokenPlugin(f"{kind} {name!r} of package {source} ({value}) cannot be used: {reason}")


def distribution(group: Group, name: str) -> str:
    """The package that an entry point comes from."""
    found = points(group)[name].dist
    return found.name if found else "?"


@functools.cache
def warn(message: str) -> None:
    """Say it, once."""
    _LOGGER.warning("Warning: %s", message)


def silence() -> None:
    """Warn no more: whoever started this process has done it."""
    _LOGGER.setLevel(logging.ERROR)
