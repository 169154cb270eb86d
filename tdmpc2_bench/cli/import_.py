"""`tdmpc2-bench import`: take in what others measured."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tdmpc2_bench.cli.output import print_json, print_table
from tdmpc2_bench.errors import Exit, UsageError

if TYPE_CHECKING:
    from tdmpc2_bench.importing import Outcome
    from tdmpc2_bench.importing.findings import Finding

_SHOWN = 8  # findings of one kind


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="The folder that becomes the import.")  # fmt: skip # noqa: E501
@click.option("--as", "kind", metavar="KIND", help="authors (folder of <agent>/<task>.csv), csv (curves) or scores (final scores per task).  [default: by what SOURCE is]")  # fmt: skip # noqa: E501
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="YAML file that says what these options say; options add to it.")  # fmt: skip # noqa: E501
@click.option("--agent", metavar="NAME", help="Whose results these are, if SOURCE does not say it; as --constant agent=NAME.")  # fmt: skip # noqa: E501
@click.option("--column", "columns", multiple=True, metavar="OURS=THEIRS", help="Which column is agent, variant, task, seed, env_step, value or episodes.")  # fmt: skip # noqa: E501
@click.option("--constant", "constants", multiple=True, metavar="OURS=VALUE", help="What one of these is in every row.")  # fmt: skip # noqa: E501
@click.option("--series", metavar="PATTERN", help="Columns that are a curve each, e.g. '{task}__{agent}__{seed} - eval/return'.")  # fmt: skip # noqa: E501
@click.option("--files", metavar="PATTERN", help="Files of a folder that are a curve each, e.g. '{agent}/{task}_{seed}/progress.csv'.")  # fmt: skip # noqa: E501
@click.option("--budget", metavar="STEPS", help="Environment steps at which a table of scores was taken, e.g. 1M.")  # fmt: skip # noqa: E501
@click.option("--step-scale", metavar="FACTOR", help="Environment steps per step of SOURCE: a number, or agent for the task's action repeat.  [default: 1]")  # fmt: skip # noqa: E501
@click.option("--perfect", multiple=True, metavar="[SUITE=]NUMBER", help="The number that stands for a score of 1, e.g. metaworld=100.  [default: values are returns and success fractions]")  # fmt: skip # noqa: E501
@click.option("--rename-task", "rename_tasks", multiple=True, metavar="THEIRS=OURS", help="Their name of a task, or of many with {} in both, e.g. '{}-v2=mw-{}'.")  # fmt: skip # noqa: E501
@click.option("--rename-agent", "rename_agents", multiple=True, metavar="THEIRS=OURS", help="Their name of an agent.")  # fmt: skip # noqa: E501
@click.option("--duplicates", metavar="HOW", help="What becomes of several values of one seed and step: mean, first, last or refuse.  [default: mean]")  # fmt: skip # noqa: E501
@click.option("--leave-out-bad", is_flag=True, default=None, help="Leave out rows that cannot be used, instead of refusing SOURCE.")  # fmt: skip # noqa: E501
@click.option("--fingerprint", metavar="NAME", help="Name of the conditions they were measured under; published only for the published results.  [default: made of the files]")  # fmt: skip # noqa: E501
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(source: Path, *, out: Path, as_json: bool, **options: Any) -> int:  # the others
    """Take in others' results from the file or folder SOURCE, and say all that is unusual in them.

    Nothing is repaired silently; if anything cannot be used, nothing is written.
    """
    from tdmpc2_bench.importing import Refused, import_results  # `--help` needs none of it

    described = _described(**options)
    try:
        outcome = import_results(source, out, **described)
    except Refused as error:
        if as_json:
            print_json({"folder": None, "findings": _plain(error.findings)})
        else:
            _print_findings(error.findings)
        click.echo(f"Error: {error}", err=True)
        return Exit.USAGE
    if as_json:
        print_json({"folder": out, "new": outcome.new, **outcome.manifest})
        return Exit.OK
    _print_findings(outcome.findings)
    _print_summary(outcome)
    return Exit.OK


def _described(
    *, mapping: Path | None, agent: str | None, perfect: tuple[str, ...], **options: Any
) -> dict[str, Any]:
    """Plain keys of the file and the options; an option's names come before the file's."""
    from tdmpc2_bench import yamlfile

    described = {} if mapping is None else yamlfile.read(mapping, example="columns: {task: env_id}")
    constants = _pairs("constant", options.pop("constants"))
    if agent is not None:
        constants["agent"] = agent
    tables = {
        "columns": _pairs("column", options.pop("columns")),
        "constants": constants,
        "rename_tasks": _pairs("rename-task", options.pop("rename_tasks")),
        "rename_agents": _pairs("rename-agent", options.pop("rename_agents")),
        "perfect": _perfect(perfect),
    }
    for key, pairs in tables.items():
        before = described.get(key)
        if pairs:
            described[key] = {**pairs, **(before if isinstance(before, dict) else {}), **pairs}
    return {**described, **{key: value for key, value in options.items() if value is not None}}


def _pairs(option: str, items: Iterable[str]) -> dict[str, str]:
    """What stands on either side of "=", ours where there is only one of it."""
    pairs: dict[str, str] = {}
    for item in items:
        # Their names may hold a "=", ours do not.
        first, sign, second = item.rpartition("=") if "rename" in option else item.partition("=")
        if not (sign and first.strip() and second.strip()) or first.strip() in pairs:
            msg = f"--{option} {item}: expected two names with = between, each first one once"
            raise UsageError(msg)
        pairs[first.strip()] = second.strip()
    return pairs


def _perfect(items: Iterable[str]) -> dict[str, str]:
    return {
        suite.strip(): number.strip()
        for suite, _, number in (item.rpartition("=") for item in items)
    }


def _print_findings(findings: Iterable[Finding]) -> None:
    """A table of findings, a few of each kind, and how many more there are."""
    shown: Counter[str] = Counter()
    rows = []
    for one in findings:
        shown[one.kind] += 1
        if shown[one.kind] <= _SHOWN:
            place = one.file if one.line is None else f"{one.file}:{one.line}"
            rows.append((one.severity, one.kind, _printable(place), one.message, one.action))
    if rows:
        print_table(("severity", "what", "where", "found", "done"), rows)
        for kind, n in shown.items():
            if n > _SHOWN:
                click.echo(f"... and {n - _SHOWN:,} more: {kind}; --json lists them")
        click.echo()


def _print_summary(outcome: Outcome) -> None:
    from tdmpc2_bench import imported

    table = imported.read(outcome.folder).table
    groups = table.groupby(["agent", "variant", "suite"], sort=True)
    print_table(
        ("agent", "variant", "suite", "tasks", "seeds", "rows", "first step", "last step"),
        (
            (*key, rows["task"].nunique(), rows["seed"].nunique(), len(rows),
             int(rows["env_step"].min()), int(rows["env_step"].max()))
            for key, rows in groups
        ),
    )  # fmt: skip
    done = "imported" if outcome.new else "was imported before, and is the same"
    fingerprint = outcome.manifest["fingerprint"]
    click.echo(f"\n{done}: {outcome.folder}, as {outcome.kind}, fingerprint {fingerprint}")


def _plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in findings]


def _printable(name: str) -> str:
    """A file's name without what a terminal would obey."""
    return name if name.isprintable() else ascii(name)
