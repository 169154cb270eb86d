"""How far groups of cells are: those of one suite and one agent, counted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tdmpc2_bench import registry
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.status import CellStatus

_OVER = {"done", "diverged"}  # nothing more is to come of these


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of one suite, agent and variant. Steps are environment steps."""

    suite: str
    agent: str
    variant: str
    cells: int
    counts: Mapping[str, int]  # cells by condition
    env_steps: int  # done
    steps_left: int  # of cells that are not over
    rate: float  # environment steps per second, of those running

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None while that is unknown."""
        return self.steps_left / self.rate if self.rate else None


def groups(cells: Iterable[CellStatus]) -> list[Group]:
    """The groups of an experiment, and at the end all cells together."""
    members: dict[tuple[str, str, str], list[CellStatus]] = {}
    for one in cells:
        members.setdefault((_suite(one.task), one.agent, one.variant), []).append(one)
    found = [_group(key, members[key]) for key in sorted(members)]
    if len(found) > 1:
        every = [one for some in members.values() for one in some]
        found.append(_group(("all", "", ""), every))
    return found


def _group(key: tuple[str, str, str], cells: list[CellStatus]) -> Group:
    return Group(
        *key,
        cells=len(cells),
        counts=Counter(one.status for one in cells),
        env_steps=sum(one.env_step for one in cells),
        steps_left=sum(
            max((one.budget or 0) - one.env_step, 0) for one in cells if one.status not in _OVER
        ),
        rate=sum(one.rate or 0.0 for one in cells),
    )


def _suite(task: str) -> str:
    try:
        return registry.task(task).suite
    except UsageError:  # of a plug-in that is not installed here
        return "?"
