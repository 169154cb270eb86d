"""`tdmpc2_bench.report`: what the command `report` does, as a call."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.sources import PUBLISHED, Source, load, published_beside

# Published agents that observe something else on a few tasks; they are shown when named.
_OTHERWISE = {"tdmpc2-pixels"}


def report(
    *sources: str | Path,
    out: str | Path | None = None,
    only: Sequence[str] = (),
    published: bool = False,
    seed: int | None = None,
    reps: int | None = None,
) -> Any:  # tdmpc2_bench.reports.report.Report, which needs matplotlib
    """Write figures and tables of results.

    Args:
        sources: experiments' folders, parts of them, imports, or "published"; shown together.
        out: where to write; None: ``report`` in the first folder, ``report`` here without one.
        only: figures, or "tables"; none: all that have something to show.
        published: show the published results of the same agents on the same tasks beside them,
            or, without a source, of all that learn from states.
        seed: of the bootstrap; None: 1.
        reps: its resamples; None: 2,000.

    Returns:
        An object with the ``files`` written, which figures were ``skipped`` and why, ``warnings``.

    Raises:
        UsageError: there is no source, or nothing in one has been evaluated yet.
        BenchError: a file cannot be read or written.
    """
    names = [str(source) for source in sources]
    if not names and not published:
        msg = "nothing to report: name an experiment's folder, or ask for the published results"
        raise UsageError(msg)
    loaded = [load(name) for name in names]
    if published and all(source.bands is None for source in loaded):
        loaded.append(_published(loaded))
    writer = importlib.import_module("tdmpc2_bench.reports.report")
    chosen = {"seed": seed, "reps": reps}
    options = {name: value for name, value in chosen.items() if value is not None}
    return writer.write(loaded, Path(out or _folder(names)), only=tuple(only), **options)


def _published(beside: Sequence[Source]) -> Source:
    """The published results beside others, or alone."""
    if beside:
        return published_beside(beside)
    found = load(PUBLISHED)
    return replace(found, table=found.table[~found.table["agent"].isin(_OTHERWISE)])


def _folder(names: Sequence[str]) -> Path:
    """Where a report goes: into the first folder among the sources, else here."""
    folders = [Path(name) for name in names if Path(name).is_dir()]
    return folders[0] / "report" if folders else Path("report")
