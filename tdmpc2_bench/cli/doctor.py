"""`tdmpc2-bench doctor`: what is wrong with an installation."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tdmpc2_bench import registry
from tdmpc2_bench.cli import candidates
from tdmpc2_bench.cli.output import print_json, print_table
from tdmpc2_bench.cli.selection import split
from tdmpc2_bench.errors import Exit

if TYPE_CHECKING:
    from tdmpc2_bench.doctor.finding import Finding
    from tdmpc2_bench.doctor.report import Report
    from tdmpc2_bench.doctor.trial import Trial
    from tdmpc2_bench.task import Task

# Checks with many parts: those that are well are counted, in these words.
_COUNTED = {"packages": "as tested", "traps": "known ones are absent"}


@click.command()
@click.option("--tasks", "patterns", multiple=True, is_flag=False, flag_value="all", shell_complete=candidates.list_of(candidates.tasks), metavar="[PATTERN,..]", help="Also build and step tasks: all 104, or those named as in `ls tasks`.")  # fmt: skip # noqa: E501
@click.option("--out", type=click.Path(path_type=Path), default="runs", show_default=True, metavar="FOLDER", help="Where results are to go.")  # fmt: skip # noqa: E501
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, patterns: tuple[str, ...], out: Path, as_json: bool) -> int:
    """Check versions, suites, GPU, renderers and disk, and say what to do about what is wrong.

    Exit code 2 if something is broken: it is there and does not do what it is there for. What is
    missing only matters to who wants it.
    """
    from tdmpc2_bench.doctor.report import examine  # `--help` needs none of it

    chosen = split(patterns)
    if as_json:
        report = examine(chosen, out=out)
        print_json(report.as_json())
        return Exit.FAILED if report.broken else Exit.OK
    rows = registry.select(chosen)
    report = examine(out=out)
    _print_report(report)
    broken = report.broken
    if rows and (count := _try(rows)):
        broken.append(f"{count} task{'s' * (count != 1)}")
    click.echo(f"\nbroken: {', '.join(broken)}" if broken else "\nnothing is broken")
    return Exit.FAILED if broken else Exit.OK


def _print_report(report: Report) -> None:
    machine = report.machine
    click.echo(
        f"tdmpc2-bench {machine['tdmpc2_bench']}, Python {machine['python']}, "
        f"{machine['platform']}, {machine['cpus']} CPUs\n"
    )
    print_table(("check", "status", "what"), _rows(report))


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    for check, findings in report.checks():
        heading = check
        counts = Counter(finding.status for finding in findings.values())
        if check in _COUNTED and counts["ok"]:
            yield heading, "ok", f"{counts['ok']} {_COUNTED[check]}"
            heading = ""
        for name, finding in findings.items():
            if check not in _COUNTED or finding.status != "ok":
                yield heading, finding.status, _line(name, finding)
                heading = ""


def _line(name: str, finding: Finding) -> str:
    """What was found of one thing, and what to do about it."""
    text = "; ".join(part for part in (finding.found, finding.reason) if part)
    return f"{name}: {text}" if text else name


def _try(rows: Sequence[Task]) -> int:
    """Try tasks and print how each fares as soon as that is known; returns how many are broken."""
    from tdmpc2_bench.doctor import tasks

    click.echo("\nTrying tasks; environment steps/s of one process with one thread.")
    width = max(len(task.name) for task in rows)
    counts: Counter[str] = Counter()
    with closing(tasks.trials(rows)) as trials:
        for _, alike in itertools.groupby(trials, key=_missing_for):
            name, trial = next(alike)
            speed = f"{trial.steps_per_s:,.0f}" if trial.steps_per_s else ""
            click.echo(f"{name:<{width}}  {trial.status:<7}  {speed:>7}  {trial.reason}".rstrip())
            more = sum(1 for _ in alike)  # noqa: B031 - what is left of the group
            if more:
                click.echo(f"... and {more} more for the same reason")
            counts[trial.status] += 1 + more
    click.echo(", ".join(f"{count} {status}" for status, count in counts.items()))
    return counts["broken"]


def _missing_for(one: tuple[str, Trial]) -> str:
    """What tasks have in common that are shown as one: why they are missing; else, their name."""
    name, trial = one
    return trial.reason if trial.status == "missing" else name
