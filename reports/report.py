"""Writing a report: figures, tables and the page of some sources, into one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdmpc2_bench import record, reports
from tdmpc2_bench.analysis.bootstrap import REPS
from tdmpc2_bench.errors import UnknownName
from tdmpc2_bench.reports import TABLES, contents, figures, findings, page, tables
from tdmpc2_bench.reports.figures import Drawing
from tdmpc2_bench.reports.findings import SEED, Findings
from tdmpc2_bench.sources import Source

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What was written."""

    folder: Path
    files: tuple[Path, ...]
    skipped: tuple[str, ...]  # figures that have nothing to show, with the reason
    warnings: tuple[str, ...]  # what a reader must be told

    @property
    def page(self) -> Path | None:
        """The page, if all was asked for."""
        path = self.folder / PAGE
        return path if path in self.files else None


def write(
    sources: Sequence[Source],
    out: Path,
    *,
    only: Sequence[str] = (),
    seed: int = SEED,
    reps: int = REPS,
) -> Report:
    """Write what sources come to, together.

    Args:
        sources: at least one.
        out: the folder; it is made if need be, and files of the same names in it are replaced.
        only: names of `reports.PARTS`; none: all that have something to show,
            and the page.
        seed: of the bootstrap.
        reps: its resamples.

    Raises:
        UnknownName: there is no part of that name.
        UsageError: nothing has been evaluated yet.
        BenchError: a file cannot be written.
    """
    for name in only:
        if name not in reports.PARTS:
            hint = f"There are: {', '.join(reports.PARTS)}."
            raise UnknownName("part of a report", name, reports.PARTS, hint=hint)
    found = findings.find(sources, seed=seed, reps=reps)
    skipped: list[str] = []
    files = list(_files(found, out, only, skipped))
    return Report(out, tuple(files), tuple(skipped), found.warnings)


def _files(found: Findings, out: Path, only: Sequence[str], skipped: list[str]) -> Iterator[Path]:
    wanted = [name for name in only if name != TABLES]
    drawn: list[Drawing] = []
    if wanted or not only:
        for drawing in figures.drawings(found, wanted, skipped=skipped):
            drawn.append(drawing)
            for suffix, content in drawing.files.items():
                yield _write(out / "figures" / f"{drawing.name}.{suffix}", content)
    if not only or TABLES in only:
        for table in tables.of(found):
            for suffix, content in table.files().items():
                yield _write(out / TABLES / f"{table.name}.{suffix}", content)
    if not only:
        text = page.render(contents.page(found, _shown(drawn)))
        yield _write(out / PAGE, text.encode())


def _shown(drawn: Sequence[Drawing]) -> list[Drawing]:
    """What stands on the page as it is drawn: single tasks have curves there that can be zoomed."""
    return [one for one in drawn if not one.task and one.name != "grid"]


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise record.cannot_write(path.parent, error) from error
    record.write_file(path, content)
    return path
