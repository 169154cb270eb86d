"""A cell's identity, ``run.json``: written first, never changed, compared before continuing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tdmpc2_bench import protocol, record, registry, variant
from tdmpc2_bench.celldir import Cell, CellDir
from tdmpc2_bench.errors import DamagedFile, ProtocolMismatch, UsageError
from tdmpc2_bench.job import Job
from tdmpc2_bench.task import Task

SCHEMA = 1  # of run.json
# What must be as it was for a cell to be continued. Provenance is for the record only.
_IDENTITY = ("schema", "config", "protocol", "revision", "versions")


def write(job: Job, task: Task, cell: CellDir) -> list[str]:
    """Write the cell's identity, or compare it with what was begun.

    Returns:
        What has changed since, if the job allows it.

    Raises:
        ProtocolMismatch: something has changed, and the job does not allow it.
    """
    entry = registry.agent(job.agent)
    config: Any = variant.configure(entry.presets, job.preset, job.overrides).resolved(task)
    conditions = registry.conditions(task)
    manifest = {
        "schema": SCHEMA,
        **dataclasses.asdict(job.cell),
        "preset": job.preset,
        "overrides": job.overrides,
        "config": dataclasses.asdict(config),
        "suite": task.suite,
        "metric": task.metric,
        "score_max": task.score_max,
        "protocol": conditions,
        "fingerprint": protocol.fingerprint(conditions),
        "revision": entry.revision,
        "versions": protocol.learning_versions(entry.distributions),
        "provenance": protocol.provenance(),
    }
    data = json.dumps(manifest, indent=1).encode() + b"\n"
    if not cell.manifest.exists() and record.publish_folder(cell.path, {cell.manifest.name: data}):
        return []
    differences = _compare(cell, json.loads(data))
    if differences and "changed" not in job.allow:
        msg = f"{cell.cell} was begun under other conditions and cannot be continued:\n  "
        msg += "\n  ".join(differences)
        msg += "\nRestore them, start a new experiment with another --out, or continue it all the "
        msg += "same with --allow changed, which marks its result."
        raise ProtocolMismatch(msg)
    return differences


def read(cell: CellDir) -> dict[str, Any]:
    """The cell's identity.

    Raises:
        DamagedFile: it is missing, does not parse, or its fingerprint is not its protocol's.
    """
    content = record.read_json(cell.manifest)
    if content.get("fingerprint") != protocol.fingerprint(content.get("protocol", {})):
        msg = f"{cell.manifest} is damaged (its fingerprint is not that of its protocol)"
        raise DamagedFile(msg)
    return content


def find(path: Path) -> CellDir:
    """The cell in folder ``path``, by what it says of itself: it may be a copy.

    Raises:
        UsageError: it is no cell's folder.
        DamagedFile: its identity does not parse.
    """
    if not (path / "run.json").exists():
        msg = f"{path} is no cell: expected runs/<experiment>/<agent>/<variant>/<task>/<seed>"
        raise UsageError(msg)
    content = record.read_json(path / "run.json")
    try:
        names = Cell(*(content[key] for key in ("agent", "variant", "task", "seed")))
    except KeyError as error:
        msg = f"{path / 'run.json'} is damaged ({error} is missing)"
        raise DamagedFile(msg) from error
    return CellDir(path, names)


def _compare(cell: CellDir, ours: Mapping[str, Any]) -> list[str]:
    theirs = read(cell)
    return [
        f"{place}: begun with {old!r}, now {new!r}"
        for key in _IDENTITY
        for place, old, new in _differences(key, theirs.get(key), ours[key])
    ]


def _differences(place: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(f"{place}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield place, old, new
