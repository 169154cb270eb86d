"""The results folder of the TD-MPC2 authors' repository, and of those that keep to its form.

``results/<agent>/<task>.csv``, or ``<task>.csv`` alone for one agent. A file has the columns step,
seed and reward (the return, where that is the task's metric) or success; steps are environment
steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import fields
from tdmpc2_bench.importing.records import Records, Row
from tdmpc2_bench.importing.source import SourceFile, Unreadable, csv_files, read, table
from tdmpc2_bench.task import Metric

_METRICS: Mapping[str, Metric] = {"reward": "return", "success": "success"}  # heading -> metric
_DEPTHS = (1, 2)  # parts of a path: <task>.csv, <agent>/<task>.csv


def load(source: Path, constants: Mapping[str, str], records: Records) -> dict[str, SourceFile]:
    """Read all files of a results folder.

    Args:
        source: the folder.
        constants: what its files do not say: the agent, where there are no folders of agents.
        records: what is read is added to these.

    Returns:
        The files read, by their names.

    Raises:
        UsageError: whose results these are is not said, or said twice.
    """
    names = csv_files(source)
    deep = [name for name in names if len(PurePosixPath(name).parts) not in _DEPTHS]
    taken = [name for name in names if name not in {*deep}]
    if deep:
        message = f"{len(deep)} CSV files are not <agent>/<task>.csv, e.g. {deep[0]!a}"
        records.findings.add("left out", "warning", message, "left out")
    _check_agents(source, taken, constants)
    found = {}
    for name in taken:
        try:
            found[name] = read(source, name)
            records.add(_rows(found[name], constants, records))
        except Unreadable as error:
            records.findings.refuse("unreadable", str(error), file=name, line=error.line)
    return found


def _check_agents(source: Path, names: list[str], constants: Mapping[str, str]) -> None:
    flat = [name for name in names if len(PurePosixPath(name).parts) == 1]
    if flat and "agent" not in constants:
        msg = f"{source} holds {flat[0]!a}, without a folder for its agent; name it with --agent"
        raise UsageError(msg)
    if len(flat) < len(names) and "agent" in constants:
        msg = f"{source} has a folder for each agent; leave --agent away, or point at one of them"
        raise UsageError(msg)


def _rows(file: SourceFile, constants: Mapping[str, str], records: Records) -> Iterator[Row]:
    path = PurePosixPath(file.name)
    agent = {"agent": path.parent.name} if len(path.parts) > 1 else {}
    content = table(file)
    metrics = [name for name in content.columns if name in _METRICS]
    missing = [name for name in ("step", "seed") if name not in content.columns]
    if missing or len(metrics) != 1:
        there = fields.shown(", ".join(content.columns))
        msg = f"expected the columns step, seed and reward or success, got {there}"
        raise Unreadable(msg, 1)
    _check_metric(file, _METRICS[metrics[0]], records)
    at = {name: content.columns.index(name) for name in ("step", "seed", *metrics)}
    for line, texts in content.rows:
        named = {
            **constants,
            **agent,
            "task": path.stem,
            "seed": texts[at["seed"]],
            "env_step": texts[at["step"]],
            "value": texts[at[metrics[0]]],
        }
        yield Row(file.name, line, named)


def _check_metric(file: SourceFile, metric: Metric, records: Records) -> None:
    """Make sure that a column is what the task is measured by."""
    stem = PurePosixPath(file.name).stem
    try:
        expected = records.task(stem).metric
    except ValueError:
        return  # every row will say so
    if metric != expected:
        message = f"expected the {expected} of {stem}, got a column of the {metric}"
        records.findings.refuse("metric", message, file=file.name, line=1)
