"""How somebody's results are to be read: what its columns are, in which units, and what of flaws.

A YAML file, the command line and Python describe it by the same plain keys; `describe` makes of
them a `Description`, in which every key and choice is checked.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tdmpc2_bench import registry, variant
from tdmpc2_bench.errors import UnknownName, UsageError
from tdmpc2_bench.importing import fields, pattern

Kind = Literal["authors", "csv", "scores"]
Duplicates = Literal["mean", "first", "last", "refuse"]

# What a source says of a value. The columns of a file, its name and headings can say it.
COLUMNS = ("agent", "variant", "task", "seed", "env_step", "value", "episodes")
_SPELT = ("agent", "variant", "task", "seed")  # what names and headings can spell


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """How to read a source. Columns are named by what we call them."""

    kind: Kind | None = None  # None: to be told from the source
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)  # ours -> the file's
    constants: Mapping[str, str] = dataclasses.field(default_factory=dict)  # column -> its value
    series: str | None = None  # pattern of headings that are a curve each
    files: str | None = None  # pattern of the paths of files below a folder
    budget: int | None = None  # environment steps at which scores were taken
    step_scale: float | Literal["agent"] = 1.0  # environment steps per step; "agent": action repeat
    # Suite, or "" for all -> the number that stands for a score of 1. None named: raw metric.
    perfect: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rename_tasks: Mapping[str, str] = dataclasses.field(default_factory=dict)  # theirs -> ours
    rename_agents: Mapping[str, str] = dataclasses.field(default_factory=dict)
    duplicates: Duplicates = "mean"  # what becomes of several values of one seed and step
    leave_out_bad: bool = False  # rows that cannot be used are left out instead of refused
    fingerprint: str | None = None  # None: made of the files and this description


def describe(described: Mapping[str, Any]) -> Description:
    """The description that plain keys make; those of None count as not given.

    Args:
        described: the fields of `Description` by name, as texts, numbers and mappings of them.

    Raises:
        UsageError: an unknown key, or a value that cannot be.
    """
    values = {}
    for key, value in described.items():
        if key not in _READ:
            raise UnknownName(
                "key of an import", key, _READ, hint=f"There are: {', '.join(_READ)}."
            )
        if value is not None:
            values[key] = _READ[key](key, value)
    _check_said_once(values)
    return Description(**values)


def plain(description: Description) -> dict[str, Any]:
    """The keys that describe the same, without those that are as usual."""
    usual = dataclasses.asdict(Description())
    content = dataclasses.asdict(description)
    return {key: value for key, value in content.items() if value != usual[key]}


def _check_said_once(values: Mapping[str, Any]) -> None:
    """Make sure that no column is said in two ways."""
    said = [*values.get("columns", ()), *values.get("constants", ())]
    for kind in ("series", "files"):
        if kind in values:
            said += pattern.names(values[kind])
    if "series" in values:
        said.append("value")
    if "budget" in values:
        said.append("env_step")
    twice = sorted({name for name in said if said.count(name) > 1})
    if twice:
        msg = f"{twice[0]} is said in two ways: by a column, a constant, a pattern or the budget"
        raise UsageError(msg)


def _choice(of: Any) -> Callable[[str, Any], str]:  # a Literal
    def read(key: str, value: Any) -> str:
        if value not in get_args(of):
            raise UnknownName(key, str(value), get_args(of), hint=_there_are(get_args(of)))
        return str(value)

    return read


def _texts(key: str, value: Any) -> dict[str, str]:
    plain_values = (str, int, float)
    if not isinstance(value, Mapping) or not all(
        isinstance(one, plain_values) and not isinstance(one, bool)
        for pair in value.items()
        for one in pair
    ):
        msg = f"{key}: expected names and what they stand for, like {{task: env_id}}, got {value!r}"
        raise UsageError(msg)
    return {str(name): str(one) for name, one in value.items()}


def _columns(key: str, value: Any) -> dict[str, str]:
    found = _texts(key, value)
    for name in found:
        if name not in COLUMNS:
            raise UnknownName("column", name, COLUMNS, hint=_there_are(COLUMNS))
    return found


def _renames(key: str, value: Any) -> dict[str, str]:
    found = _texts(key, value)
    for theirs, ours in found.items():
        pattern.check_rename(theirs, ours)
    return found


def _pattern(key: str, value: Any) -> str:
    for name in pattern.names(_text(key, value)):
        if name not in _SPELT:
            kind = f"{{name}} in {key}"
            raise UnknownName(
                kind, name, _SPELT, hint=f"There are: {{{'}, {'.join(_SPELT)}}}, {{}}."
            )
    return str(value)


def _perfect(key: str, value: Any) -> dict[str, float]:
    given = _texts(key, value if isinstance(value, Mapping) else {"": value})
    for suite in given:
        if suite and suite not in registry.suites():
            raise UnknownName("suite", suite, registry.suites())
    return {suite: _positive(key, number) for suite, number in given.items()}


def _step_scale(key: str, value: Any) -> float | str:
    return "agent" if value == "agent" else _positive(key, value)


def _positive(key: str, value: Any) -> float:
    try:
        number = fields.number(str(value))
    except ValueError as error:
        msg = f"{key}: {error}"
        raise UsageError(msg) from error
    if not (math.isfinite(number) and number > 0):
        msg = f"{key}: expected a number above 0, got {value!r}"
        raise UsageError(msg)
    return number


def _budget(key: str, value: Any) -> int:
    try:
        return fields.step(str(variant.parse_count(str(value))))
    except (ValueError, OverflowError, UsageError) as error:
        msg = f"{key}: {error}"
        raise UsageError(msg) from error


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        msg = f"{key}: expected true or false, got {value!r}"
        raise UsageError(msg)
    return value


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        msg = f"{key}: expected a text, got {value!r}"
        raise UsageError(msg)
    return value


def _name(key: str, value: Any) -> str:
    try:
        return fields.fingerprint(_text(key, value))
    except ValueError as error:
        msg = f"{key}: {error}"
        raise UsageError(msg) from error


def _there_are(names: tuple[str, ...]) -> str:
    return f"There are: {', '.join(names)}."


_READ: Mapping[str, Callable[[str, Any], Any]] = {  # Any: of YAML, and of a field's type
    "kind": _choice(Kind),
    "columns": _columns,
    "constants": _columns,
    "series": _pattern,
    "files": _pattern,
    "budget": _budget,
    "step_scale": _step_scale,
    "perfect": _perfect,
    "rename_tasks": _renames,
    "rename_agents": _renames,
    "duplicates": _choice(Duplicates),
    "leave_out_bad": _flag,
    "fingerprint": _name,
}
