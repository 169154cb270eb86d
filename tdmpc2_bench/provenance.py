"""With what results were made: code, machine and simulators, source by source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tdmpc2_bench import imported, published, record, sources
from tdmpc2_bench.errors import DamagedFile
from tdmpc2_bench.sources import Source

_OF_IMPORT = ("source", "kind", "fingerprint", "version")  # what import.json says of itself


def facts(source: Source) -> list[tuple[str, str]]:
    """What is known of a source, as names and texts.

    Of an experiment every cell's run.json is asked, and each answer told once, with the number of
    cells that gave it where not all did.
    """
    if source.bands is not None:
        return list(_plain(published.source()))
    folder = Path(source.name)
    if imported.is_import(folder):
        manifest = imported.read(folder).manifest
        return list(_plain({key: manifest.get(key) for key in _OF_IMPORT}))
    return _of_cells(folder)


def _of_cells(folder: Path) -> list[tuple[str, str]]:
    cells = sources.cells(folder)
    counts: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        try:
            counts.update(_of_manifest(record.read_json(cell.manifest)))
        except DamagedFile:
            continue  # told among the source's problems
    total = len(cells)
    return [
        (name, text if count == total else f"{text} ({count} of {total} cells)")
        for (name, text), count in sorted(counts.items())
    ]


def _of_manifest(content: Mapping[str, Any]) -> set[tuple[str, str]]:
    protocol = content.get("protocol", {})
    parts: list[Mapping[str, Any]] = [
        content.get("provenance", {}),
        content.get("versions", {}),
        protocol.get("simulator", {}),
        {"profile": protocol.get("profile")},
    ]
    return {fact for part in parts for fact in _plain(part)}


def _plain(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield name, "; ".join(f"{key}: {item}" for key, item in value.items())
        elif value is not None:
            yield name, str(value)
