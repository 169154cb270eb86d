"""Taking in what others measured: the authors' results, any table of curves, tables of scores.

`import_results` reads a source by a `description.Description`, takes down everything that is
unusual about it, and writes an import that `tdmpc2_bench.imported` reads back. Nothing is repaired
silently, and nothing is written if anything is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import imported, longtable, published, registry
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing import authors, checks, claim, mapping, scores
from tdmpc2_bench.importing.description import Description, Kind, describe, plain
from tdmpc2_bench.importing.findings import Finding, Findings
from tdmpc2_bench.importing.records import Record, Records
from tdmpc2_bench.importing.source import SourceFile

if TYPE_CHECKING:
    import pandas as pd

_DIGEST = 12  # hexadecimal digits that tell imports apart

# What of a description has no meaning for a kind of source.
_MEANINGLESS: Mapping[Kind, tuple[str, ...]] = {
    "authors": ("columns", "series", "files", "budget", "step_scale", "perfect"),
    "csv": ("budget",),
    "scores": ("series", "files", "step_scale"),
}


class Refused(UsageError):
    """A source that cannot be used as it is, with all that was found."""

    def __init__(self, message: str, findings: Sequence[Finding]) -> None:
        """Take the message and the findings."""
        super().__init__(message)
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An import and what was noticed on the way."""

    folder: Path
    kind: Kind
    manifest: Mapping[str, Any]  # what import.json says
    findings: tuple[Finding, ...]
    new: bool  # False: the very same import was there already


def import_results(source: str | Path, out: str | Path, **described: Any) -> Outcome:
    """Read others' results and keep them as an import in the folder ``out``.

    Args:
        source: file or folder.
        out: the folder to make. If it holds the very same import, nothing is changed.
        described: how to read it, by the fields of `Description`.

    Raises:
        Refused: the source cannot be used; what is wrong with it, by file and line.
        UsageError: a wrong request, or ``out`` holds something else.
        BenchError: ``out`` cannot be written.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        msg = f"{source}: no such file or folder"
        raise UsageError(msg)
    description = describe(described)
    kind = description.kind or _recognised(source, description)
    _check_meaning(kind, description)
    imported.check_place(out)
    findings = Findings(leave_out_bad=description.leave_out_bad)
    records = Records(description, findings)
    files = _load(kind, source, description, records)
    found = checks.check(records.close(), description.duplicates, findings)
    if description.fingerprint == published.FINGERPRINT:
        claim.check(found, findings)
    if findings.refused or not found:
        msg = f"{source} is refused, and nothing was written: {_problems(findings.refused)}"
        raise Refused(msg, findings.all())
    hashes = {name: {"size": len(file.data), "sha256": file.sha256} for name, file in files.items()}
    how = {"kind": kind, **plain(description)}
    fingerprint = description.fingerprint or _fingerprint(hashes, how)
    content = {
        "source": str(source),
        "kind": kind,
        "description": how,
        "fingerprint": fingerprint,
        "files": hashes,
        "findings": [_told(one) for one in findings.all()],
    }
    manifest, new = imported.write(out, _table(found, fingerprint), content)
    return Outcome(out, kind, manifest, findings.all(), new)


def _recognised(source: Path, description: Description) -> Kind:
    """The kind of a source of which it is not said."""
    if source.is_dir() and description.files is None:
        return "authors"
    return "csv" if description.budget is None else "scores"


def _check_meaning(kind: Kind, description: Description) -> None:
    vain = [name for name in _MEANINGLESS[kind] if name in plain(description)]
    if kind == "authors":
        vain += [f"constants: {name}" for name in description.constants if name != "agent"]
    if vain:
        msg = f"{vain[0]} has no meaning for a source of kind {kind!r}; say another kind with --as"
        raise UsageError(msg)


def _load(
    kind: Kind, source: Path, description: Description, records: Records
) -> dict[str, SourceFile]:
    if kind == "authors":
        if not source.is_dir():
            msg = f"{source}: expected a folder of results, <agent>/<task>.csv"
            raise UsageError(msg)
        return authors.load(source, description.constants, records)
    load = mapping.load if kind == "csv" else scores.load
    return load(source, description, records)


def _fingerprint(hashes: Mapping[str, Any], how: Mapping[str, Any]) -> str:
    text = json.dumps([hashes, how], sort_keys=True)
    return f"imported:{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]}"


def _table(records: Iterable[Record], fingerprint: str) -> pd.DataFrame:
    tasks = {task.name: task for task in registry.known_tasks()}
    rows = []
    for one in records:
        task = tasks[one.curve.task]
        rows.append(
            {
                **one.curve._asdict(),
                "suite": task.suite,
                "seed": one.seed,
                "env_step": one.env_step,
                "metric": task.metric,
                "value": one.value,
                "score": None if task.score_max is None else one.value / task.score_max,
                task.metric: one.value,
                "episodes": one.episodes,
                "fingerprint": fingerprint,
                "marks": one.marks,
            }
        )
    return longtable.build(rows)


def _problems(n: int) -> str:
    if not n:
        return "there is no value in it"
    return f"{n:,} problem{'s' if n > 1 else ''}; rows that cannot be used: --leave-out-bad"


def _told(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in Finding.__slots__}
