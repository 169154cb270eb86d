"""What the Tab key offers as values of options. Loads neither a simulator nor a learner.

How a shell asks and is answered is the business of ``completion``.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from tdmpc2_bench import registry
from tdmpc2_bench.errors import UsageError

if typing.TYPE_CHECKING:
    from tdmpc2_bench.registry import AgentEntry

# What could stand in place of a word that was begun; those that do not fit it are left out later.
Candidates = Callable[[click.Context, str], Iterable[str]]
Completer = Callable[[click.Context, click.Parameter, str], list[str]]  # as click calls it


def one_of(candidates: Candidates) -> Completer:
    """Complete a single value."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        del parameter
        return [one for one in candidates(ctx, incomplete) if one.startswith(incomplete)]

    return complete


def list_of(candidates: Candidates) -> Completer:
    """Complete the last part of a list between commas; what stands in it is not offered again."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        there = {_key(part) for part in before.split(",")}
        offered = one_of(candidates)(ctx, parameter, last)
        return [f"{before}{comma}{one}" for one in offered if _key(one) not in there]

    return complete


def tasks(ctx: click.Context, begun: str) -> list[str]:
    """Patterns that select tasks, and the names of all of them."""
    rows = registry.known_tasks()
    tags = sorted({tag for row in rows for tag in row.tags})
    of_suite = (f"suite:{name}" for name in suites(ctx, begun)[1:])
    patterns = ["all", "mt30", "mt80", "gym:", *of_suite]
    return [*patterns, *(f"tag:{tag}" for tag in tags), *(row.name for row in rows)]


def suites(ctx: click.Context, begun: str) -> list[str]:
    """The whole benchmark, and suites that have tasks of their own."""
    del ctx, begun
    return ["all", *(name for name, module in registry.suites().items() if module.TASKS)]


def separate_suites(ctx: click.Context, begun: str) -> list[str]:
    """Suites that live in an interpreter of their own."""
    del ctx, begun
    from tdmpc2_bench.provision import suites as separate

    return separate()


def agents(ctx: click.Context, begun: str) -> list[str]:
    """Agents."""
    del ctx, begun
    return [*registry.agents()]


def presets(ctx: click.Context, begun: str) -> list[str]:
    """Presets that all chosen agents have."""
    del begun
    return [*_in_all(entry.presets for entry in _chosen_agents(ctx))]


def settings(ctx: click.Context, begun: str) -> list[str]:
    """Settings that all chosen agents have: their names, or the values of one begun as "mpc="."""
    common = _in_all(typing.get_type_hints(entry.config_type) for entry in _chosen_agents(ctx))
    name, equals, _ = begun.partition("=")
    if equals:
        return [f"{name}={value}" for value in _values(common.get(name))]
    return [f"{name}=" for name in common]


def kept(ctx: click.Context, begun: str) -> tuple[str, ...]:
    """What may stay of a finished cell."""
    del ctx, begun
    from tdmpc2_bench.job import Keep

    return typing.get_args(Keep)


def allowed(ctx: click.Context, begun: str) -> tuple[str, ...]:
    """What cells may be continued in spite of."""
    del ctx, begun
    from tdmpc2_bench.job import Allowed

    return typing.get_args(Allowed)


def sinks(ctx: click.Context, begun: str) -> tuple[str, ...]:
    """Where curves can be exported to."""
    del ctx, begun
    from tdmpc2_bench.sinks import NAMES

    return NAMES


def parts_of_reports(ctx: click.Context, begun: str) -> tuple[str, ...]:
    """Figures, and tables."""
    del ctx, begun
    from tdmpc2_bench.reports import PARTS

    return PARTS


def _key(part: str) -> str:
    """What may stand in a list only once: the name of a setting, or all of anything else."""
    return part.partition("=")[0]


def _chosen_agents(ctx: click.Context) -> list[AgentEntry]:
    """The agents that the command line names before the word being completed."""
    names = ",".join(ctx.params.get("agents") or ("tdmpc2",)).split(",")
    entries = []
    for name in names:
        try:
            entries.append(registry.agent(name.strip()))
        except UsageError:  # the command will say so; Tab is silent
            continue
    return entries


def _in_all(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Entries of the first table whose key every other one has too."""
    first, *others = [*tables] or [{}]
    return {key: value for key, value in first.items() if all(key in other for other in others)}


def _values(hint: Any) -> tuple[str, ...]:  # a type as a value
    """Texts that stand for the values of a type, where they are few."""
    if hint is bool:
        return ("on", "off")
    if typing.get_origin(hint) is typing.Literal:
        return tuple(map(str, typing.get_args(hint)))
    return ()
