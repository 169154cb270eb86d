"""Where results come from: an experiment, a part of one, an import, the published figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tdmpc2_bench import imported, index, published, registry
from tdmpc2_bench.celldir import CellDir, find_cells
from tdmpc2_bench.errors import UnknownName, UsageError
from tdmpc2_bench.variant import parse_count

if TYPE_CHECKING:
    import pandas as pd

_NEAR = 100_000  # environment steps by which a published record may miss what it answers for
PUBLISHED = "published"  # names the figures that come with the package
# Columns that a folder which may be named stands for: an experiment, an agent's, a variant's.
_PARTS: tuple[tuple[str, ...], ...] = ((), ("agent",), ("agent", "variant"))


@dataclass(frozen=True)
class Source:
    """Results that have a place in common."""

    name: str  # as it was named
    table: pd.DataFrame = field(repr=False)  # see `longtable`
    problems: tuple[str, ...] = ()  # what of it cannot be read and is left out
    # Task -> environment steps between evaluations, where the rows themselves do not tell.
    intervals: Mapping[str, int] = field(default_factory=dict)
    # Mean, min and max over seeds at more steps than the table has: `published.curves`.
    bands: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """What a legend calls it."""
        return self.name if self.bands is None else PUBLISHED


def load(name: str) -> Source:
    """Read a source.

    Args:
        name: an experiment's folder, ``runs/x``; a part of it, ``runs/x/tdmpc2`` or
            ``runs/x/tdmpc2/horizon=5``; a folder that ``import`` wrote; "published" or, for one
            agent of these, "published:sac".

    Raises:
        UsageError: there is nothing of that kind, or nothing in it.
    """
    if name.partition(":")[0] == PUBLISHED and not Path(name).exists():
        return _published(name)
    folder = Path(name)
    if imported.is_import(folder):
        return Source(name, imported.read(folder).table)
    found = _part(folder)
    if found is not None:
        return _experiment(name, *found)
    if any(folder.glob("*/run.json")) or (folder / "run.json").exists():
        msg = (
            f"{name} is a single task or cell: name the folder of its variant, agent or experiment"
        )
        raise UsageError(msg)
    msg = (
        f"no results in {name}: expected an experiment's folder as given to run --out, one of an "
        f"agent or variant in it, a folder that import wrote, or {PUBLISHED!r}"
    )
    raise UsageError(msg)


def published_beside(others: Sequence[Source]) -> Source:
    """The published results of the agents and tasks that there are other results of.

    They go as far in training as the others: to the first published step that none is beyond.

    Raises:
        UsageError: nothing is published of these agents.
    """
    source = load(PUBLISHED)
    assert source.bands is not None  # noqa: S101 - published results have them
    agents = {agent for one in others for agent in one.table["agent"].unique()}
    reached: dict[str, int] = {}
    for one in others:
        for task, step in one.table.groupby("task")["env_step"].max().items():
            reached[str(task)] = max(reached.get(str(task), 0), int(step))
    table = _as_far(source.table[source.table["agent"].isin(agents)], reached)
    bands = _as_far(source.bands[source.bands["agent"].isin(agents)], reached)
    if table.empty:
        known = ", ".join(sorted(source.table["agent"].unique()))
        msg = f"nothing is published of {', '.join(sorted(agents))}; there is: {known}"
        raise UsageError(msg)
    return replace(source, table=table, bands=bands)


def _as_far(rows: pd.DataFrame, reached: Mapping[str, int]) -> pd.DataFrame:
    """Rows of the tasks reached, up to the first step at or beyond what was reached."""
    rows = rows[rows["task"].isin(list(reached))]
    beyond = rows[rows["env_step"] >= rows["task"].map(reached)]
    end = rows["task"].map(beyond.groupby("task")["env_step"].min())
    return rows[end.isna() | (rows["env_step"] <= end)]


def cells(folder: Path) -> list[CellDir]:
    """The cells of the experiment, or part of one, that a folder is; none if it is neither."""
    found = _part(folder)
    if found is None:
        return []
    root, names = found
    return [
        cell
        for cell in find_cells(root)
        if all(getattr(cell.cell, column) == name for column, name in names.items())
    ]


def _part(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """The experiment that a folder is or belongs to, and the columns that it stands for."""
    for columns in _PARTS:
        if any(folder.glob("*/" * (4 - len(columns)) + "run.json")):
            absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - links keep their names
            if not columns:
                return folder, {}
            names = absolute.parts[-len(columns) :]
            return absolute.parents[len(columns) - 1], dict(zip(columns, names, strict=True))
    return None


def _experiment(name: str, root: Path, names: Mapping[str, str]) -> Source:
    found = index.survey(root)
    table = found.table
    for column, value in names.items():
        table = table[table[column] == value]
    chosen = "/".join(names.values())
    problems = tuple(text for text in found.problems if text.startswith(chosen))
    if table.empty:
        msg = f"nothing in {name} has been evaluated yet"
        raise UsageError(msg)
    return Source(name, table, problems)


def _published(name: str) -> Source:
    table, bands = _on_nominal_steps(published.seeds()), published.curves()
    agent = name.partition(":")[2]
    agents = sorted(table["agent"].unique())
    if agent:
        if agent not in agents:
            raise UnknownName(
                "published agent", agent, agents, hint=f"There are: {', '.join(agents)}."
            )
        table, bands = table[table["agent"] == agent], bands[bands["agent"] == agent]
    return Source(name, table, intervals=dict.fromkeys(table["task"].unique(), 0), bands=bands)


def _on_nominal_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Published records at the steps that they answer for, which carries them once and for all.

    A seed's last record answers for the task's whole budget if it is near, as for any other.
    """
    at_end = table["budget"] == "last"
    step = table["env_step"].where(at_end, table["budget"].where(~at_end, "0").map(parse_count))
    budget = table["task"].map({row.name: row.budget for row in registry.tasks()})
    step = step.mask(at_end & ((budget - step).abs() <= _NEAR), budget)
    placed = table.assign(env_step=step.astype("int64")).drop(columns="budget")
    return placed.drop_duplicates(["agent", "task", "seed", "env_step"]).reset_index(drop=True)
