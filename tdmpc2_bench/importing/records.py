"""From the texts of a row to a record of the benchmark: one agent, task and seed at one step.

The readers of the several kinds of source hand over rows of texts; what they mean, and whether
they can be, is decided here, the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tdmpc2_bench import registry
from tdmpc2_bench.errors import UnknownName
from tdmpc2_bench.importing import fields, pattern
from tdmpc2_bench.importing.description import Description
from tdmpc2_bench.importing.findings import Findings, Kind
from tdmpc2_bench.task import Task

MOST = 2_000_000  # records of one import
MEAN_OF_SEEDS = "mean-of-seeds"  # mark of a value that stands for several seeds
_MOST_NEAR = 200  # unknown names for which near ones are looked for
_SLACK = 1e-9  # of the largest value: rounding by whoever wrote the file


class Row(NamedTuple):
    """A row of a source: texts under our names of columns, and where it stands."""

    file: str
    line: int
    texts: Mapping[str, str]  # agent, variant, task, seed, env_step, value, episodes


class Curve(NamedTuple):
    """Whose curve it is, over seeds."""

    agent: str
    variant: str
    task: str


@dataclass(frozen=True, slots=True)
class Record:
    """One value that somebody measured."""

    curve: Curve
    seed: int
    env_step: int
    value: float  # in the task's metric
    number: float  # as it stands in the file
    episodes: int
    file: str
    line: int
    marks: str = ""


class _Unusable(ValueError):
    """A row that is no record."""

    def __init__(self, kind: Kind, error: object) -> None:
        super().__init__(str(error))
        self.kind = kind


def _known_tasks() -> dict[str, Task]:
    return {name: row for row in registry.known_tasks() for name in (row.name, *row.aliases)}


@dataclass(slots=True)
class Records:
    """The records of a source, as its rows come in."""

    description: Description
    findings: Findings
    found: list[Record] = field(default_factory=list)
    _known: Mapping[str, Task] = field(default_factory=_known_tasks)
    _tasks: dict[str, Task | str] = field(default_factory=dict)  # theirs -> it, or why not
    _curves: dict[tuple[str, str, str], Curve] = field(default_factory=dict)  # by its texts
    _renamed: dict[str, str] = field(default_factory=dict)  # theirs -> ours
    _without_value: dict[str, list[int]] = field(default_factory=dict)  # file -> lines
    _with_spread: dict[str, list[int]] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        """Make records of rows; those that are none are taken down as findings."""
        for row in rows:
            if not row.texts["value"].strip():
                self._without_value.setdefault(row.file, []).append(row.line)
                continue
            if len(self.found) == MOST:
                msg = f"expected at most {MOST:,} rows; thin the evaluations out, or divide it"
                self.findings.refuse("unreadable", msg, file=row.file, line=row.line)
                return
            try:
                self.found.append(self._record(row))
            except _Unusable as error:
                self.findings.bad_row(error.kind, str(error), file=row.file, line=row.line)

    def close(self) -> list[Record]:
        """The records, once what concerns many rows has been taken down."""
        for file, lines in self._without_value.items():
            n = "1 row has" if len(lines) == 1 else f"{len(lines):,} rows have"
            self.findings.add(
                "missing value", "warning", f"{n} no value", "left out", file=file, line=lines[0]
            )
        for file, lines in self._with_spread.items():
            self.findings.add(
                "spread", "note", f"{len(lines):,} values come with a spread (±)",
                "the spread is not kept", file=file, line=lines[0],
            )  # fmt: skip
        if any(one.marks == MEAN_OF_SEEDS for one in self.found):
            message = "there is no seed: values are taken for means over seeds"
            self.findings.add("no seeds", "note", message, f"seed 0, marked {MEAN_OF_SEEDS}")
        if self._renamed:
            (theirs, ours), *_ = self._renamed.items()
            count = len(self._renamed)
            message = f"names that are ours under another: {count}, e.g. {fields.shown(theirs)}"
            self.findings.add("renamed", "note", message, f"renamed, e.g. {ours}")
        return self.found

    def _record(self, row: Row) -> Record:
        texts = row.texts
        task = self.task(texts["task"])
        agent = self._renaming(texts["agent"], self.description.rename_agents)
        curve = self._curve(agent, texts.get("variant", "default"), task)
        number = self._number(row)
        try:
            return Record(
                curve=curve,
                seed=fields.count(texts.get("seed", "0"), "seed"),
                env_step=self._step(texts["env_step"], task),
                value=self._value(number, task),
                number=number,
                episodes=fields.count(texts.get("episodes", "0"), "number of episodes"),
                file=row.file,
                line=row.line,
                marks="" if "seed" in texts else MEAN_OF_SEEDS,
            )
        except _Unusable:
            raise
        except ValueError as error:
            raise _Unusable("bad number", error) from error

    def _curve(self, agent: str, variant: str, task: Task) -> Curve:
        """Whose curve it is; one object for all of its records."""
        given = (agent, variant, task.name)
        if given not in self._curves:
            try:
                found = Curve(fields.agent(agent), fields.variant(variant), task.name)
            except ValueError as error:
                raise _Unusable("bad name", error) from error
            self._curves[given] = found
        return self._curves[given]

    def task(self, name: str) -> Task:
        """The task that a source calls so.

        Raises:
            ValueError: there is none.
        """
        if name not in self._tasks:
            self._tasks[name] = self._found_task(name.strip())
        task = self._tasks[name]
        if isinstance(task, str):
            raise _Unusable("unknown task", task)
        return task

    def _found_task(self, name: str) -> Task | str:
        ours = name
        if name not in self._known:
            ours = self._renaming(name, self.description.rename_tasks)
        if ours in self._known:
            return self._known[ours]
        # Looking for near names takes a while, and there may be a million of them.
        near = self._known if len(self._tasks) < _MOST_NEAR else ()
        words = UnknownName("task", fields.cut(ours), near, hint="See `tdmpc2-bench ls tasks`.")
        return f"{words} If it is one of them: --rename-task THEIRS=OURS"

    def _renaming(self, name: str, renames: Mapping[str, str]) -> str:
        ours = pattern.rename(renames, name)
        if ours != name:
            self._renamed[name] = ours
        return ours

    def _number(self, row: Row) -> float:
        text = row.texts["value"]
        plain = fields.without_spread(text)
        try:
            number = fields.number(plain)
        except ValueError as error:
            raise _Unusable("bad number", error) from error
        if not math.isfinite(number):
            msg = f"expected a finite value, got {fields.shown(text)}"
            raise _Unusable("not finite", msg)
        if plain != text:
            self._with_spread.setdefault(row.file, []).append(row.line)
        return number

    def _step(self, text: str, task: Task) -> int:
        scale = self.description.step_scale
        return fields.step(text, task.action_repeat if scale == "agent" else scale)

    def _value(self, number: float, task: Task) -> float:
        """The value in the task's metric, once it can be."""
        perfect = self.description.perfect
        scale = perfect.get(task.suite, perfect.get(""))
        if scale is not None and task.score_max is None:
            msg = f"{task.name} has no score; give its raw return"
            raise _Unusable("out of range", msg)
        value = number if scale is None else number / scale * (task.score_max or 1.0)
        if task.suite in registry.SUITES and task.score_max is not None:
            slack = _SLACK * task.score_max
            if not -slack <= value <= task.score_max + slack:
                raise _Unusable("out of range", _outside(number, scale, task))
        return value


def _outside(number: float, scale: float | None, task: Task) -> str:
    most = task.score_max if scale is None else scale
    what = "score" if scale is not None else task.metric
    message = f"{task.name}: expected a {what} from 0 to {most:g}, got {number:g}"
    if scale is None and task.metric == "success" and 1 < number <= 100:  # noqa: PLR2004 - percent
        message += f"; if these are percentages: --perfect {task.suite}=100"
    return message
