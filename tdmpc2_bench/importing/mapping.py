"""Any table of curves, by a mapping of its columns: a row, or a cell of a column, is one value.

Three forms. Long: a row per agent, task, seed and step. Series: a row per step, a column per
curve, whose heading spells whose it is (what Weights & Biases exports of a panel). Files: many
files of one curve each, whose paths spell whose it is (the progress.csv of Stable-Baselines3).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import fields, pattern
from tdmpc2_bench.importing.description import COLUMNS, Description
from tdmpc2_bench.importing.findings import Findings
from tdmpc2_bench.importing.records import Records, Row
from tdmpc2_bench.importing.source import SourceFile, Table, Unreadable, csv_files, read, table

_NEEDED = ("agent", "task", "env_step", "value")  # a seed may be missing: then it is a mean of them
_IN_PATH = "[^/]"  # what a part of a path consists of


def load(source: Path, description: Description, records: Records) -> dict[str, SourceFile]:
    """Read a file, or the files of a folder whose paths fit the pattern.

    Args:
        source: file or folder.
        description: which column is what.
        records: what is read is added to these.

    Returns:
        The files read, by their names.

    Raises:
        UsageError: a folder without a pattern, or none fits it.
    """
    found = {}
    for name, spelt in _files(source, description, records).items():
        try:
            file = read(source, name)
            found[file.name] = file
            records.add(_rows(file, {**description.constants, **spelt}, description, records))
        except Unreadable as error:
            shown = name or source.name
            records.findings.refuse("unreadable", str(error), file=shown, line=error.line)
    return found


def columns_of(
    content: Table, said: Mapping[str, str], columns: Mapping[str, str], findings: Findings
) -> dict[str, int]:
    """Where our columns stand in a table: those that were mapped, and those named as ours.

    What was said for all rows goes before a column of our name; that is taken down.

    Raises:
        Unreadable: one that was mapped is not there.
    """
    at = {}
    for ours in COLUMNS:
        theirs = columns.get(ours, ours)
        if ours in said and ours in content.columns:
            message = f"there is a column {ours!r}, but it was said for all rows"
            findings.add("left out", "warning", message, "the column is not read")
        elif theirs in content.columns:
            at[ours] = content.columns.index(theirs)
        elif ours in columns:
            raise _no_column(theirs, ours, content)
    return at


def _files(
    source: Path, description: Description, records: Records
) -> Mapping[str | None, Mapping[str, str]]:
    """Name of each file below the source (None: the source) -> what its path spells."""
    if not source.is_dir():
        if description.files is not None:
            msg = f"{source} is a file; a pattern of files is for a folder"
            raise UsageError(msg)
        return {None: {}}
    if description.files is None:
        msg = f"{source} is a folder; say how its files are named: --files '{{task}}_{{seed}}.csv'"
        raise UsageError(msg)
    names = csv_files(source)
    fitting = {name: pattern.match(description.files, name, within=_IN_PATH) for name in names}
    found: dict[str | None, Mapping[str, str]]
    found = {name: spelt for name, spelt in fitting.items() if spelt is not None}
    others = [name for name in names if name not in found]
    if not found:
        msg = f"no CSV file in {source} fits {description.files!r}; there is e.g. {names[0]!a}"
        raise UsageError(msg)
    if others:
        message = f"{len(others)} CSV files do not fit the pattern, e.g. {others[0]!a}"
        records.findings.add("left out", "warning", message, "left out")
    return found


def _rows(
    file: SourceFile, said: Mapping[str, str], description: Description, records: Records
) -> Iterator[Row]:
    content = table(file)
    at = columns_of(content, said, description.columns, records.findings)
    series = _series(file, content, description.series, records)
    there = {*at, *said, *(name for spelt in series.values() for name in spelt)}
    there |= {"value"} if series else set()
    for name in _NEEDED:
        if name not in there:
            raise _no_column(name, name, content)
    for line, texts in content.rows:
        named = {**said, **{name: texts[index] for name, index in at.items()}}
        if not series:
            yield Row(file.name, line, named)
        for index, spelt in series.items():
            if texts[index].strip():  # a curve has no value where only others were measured
                yield Row(file.name, line, {**named, **spelt, "value": texts[index]})


def _series(
    file: SourceFile, content: Table, wanted: str | None, records: Records
) -> dict[int, dict[str, str]]:
    """Column -> whose curve it is, of columns whose heading fits the pattern.

    Raises:
        Unreadable: there is a pattern and none fits.
    """
    if wanted is None:
        return {}
    fitting = {i: pattern.match(wanted, name) for i, name in enumerate(content.columns)}
    series = {index: spelt for index, spelt in fitting.items() if spelt is not None}
    others = [content.columns[index] for index, spelt in fitting.items() if spelt is None]
    if not series:
        msg = f"no column fits {wanted!r}; there is e.g. {_some(others)}"
        raise Unreadable(msg, 1)
    message = f"{len(others)} columns are no curve of the pattern: {_some(others)}"
    records.findings.add(
        "left out", "note", message, "left out, but for the step", file=file.name, line=1
    )
    return series


def _no_column(theirs: str, ours: str, content: Table) -> Unreadable:
    near = difflib.get_close_matches(theirs, content.columns, n=2)
    hint = f"; did you mean {_some(near)}?" if near else ""
    return Unreadable(
        f"no column {fields.shown(theirs)}; there are {_some(content.columns)}{hint} "
        f"Say which it is with --column {ours}=THEIRS, or its value with --constant {ours}=VALUE",
        1,
    )


def _some(names: Sequence[str]) -> str:
    most = 12
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(fields.shown, names[:most])) + more
