"""`tdmpc2-bench compare`: do results match?"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from tdmpc2_bench.cli import extras
from tdmpc2_bench.cli.output import print_json, print_table
from tdmpc2_bench.errors import Exit, UnknownName

if TYPE_CHECKING:
    from tdmpc2_bench.comparison import Comparison, GroupComparison, Pair, Standing, TaskComparison

_COLUMNS = ("group", "line", "IQM", "mean", "median", "optimality gap", "over")
_GROUP_COLUMNS = (
    "group", "verdict", "difference", "p (t)", "p (permutation)", "P(better)", "A/A", "over",
    "seeds needed",
)  # fmt: skip
_TASK_COLUMNS = ("task", "verdict", "score", "range", "env step", "seeds", "p (Holm)")
_LEAST_P = 0.001  # smaller p values are told as smaller than this
_NAMED = 8  # tasks that are named in a summary


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--published", is_flag=True, help="Compare every agent with its published results.")
@click.option("--last", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="A score is the mean of the last K evaluations.")  # fmt: skip # noqa: E501
@click.option("--margin", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True, metavar="SCORE", help="Largest difference that counts as the same.")  # fmt: skip # noqa: E501
@click.option("--reps", type=click.IntRange(1), default=2000, show_default=True, metavar="N", help="Bootstrap resamples.")  # fmt: skip # noqa: E501
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of resamples and relabellings.")  # fmt: skip # noqa: E501
@click.option("--by-task", is_flag=True, help="Show every task.")
@click.option("--fail-on", default="", metavar="VERDICTS", help="Exit with code 2 if any verdict is one of these, as worse,below; not-enough is one word.")  # fmt: skip # noqa: E501
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    sources: tuple[str, ...],
    *,
    published: bool,
    by_task: bool,
    fail_on: str,
    as_json: bool,
    **method: Any,  # fields of comparison.Method
) -> int:
    """Compare results: where lines stand, and whether they match.

    A source is an experiment's folder (runs/x), a part of it (runs/x/tdmpc2, or
    runs/x/tdmpc2/horizon=5), a folder that import wrote, "published", or "published:sac" for one
    agent. Lines are compared with those of the last source; lines of a single source with its
    first.

    Verdicts of a group of tasks: match (the same up to the margin, by an equivalence test), better,
    worse, inconclusive, not enough (fewer than 5 tasks or 2 seeds). Of a task: inside, above or
    below the range of the reference's seeds, widened by 0.05; or no common point.
    """
    with extras.needed("compare", "analysis"):
        from tdmpc2_bench import comparison

        unwanted = _verdicts(fail_on, comparison.VERDICTS)
        chosen = comparison.Method(**method)
        found = comparison.compare(sources, published=published, method=chosen)
    if as_json:
        print_json(_plain(dataclasses.asdict(found)))
    else:
        _print(found, by_task=by_task)
    hit = [f"{line}, {what}: {word}" for line, what, word in found.verdicts() if word in unwanted]
    for text in hit:
        click.echo(f"--fail-on: {text}", err=True)
    return Exit.FAILED if hit else Exit.OK


def _verdicts(text: str, known: Iterable[str]) -> set[str]:
    words = {word.strip().replace("-", " ") for word in text.split(",") if word.strip()}
    for word in words - set(known):
        options = [one.replace(" ", "-") for one in known]
        raise UnknownName("verdict", word, options, hint=f"There are: {', '.join(options)}.")
    return words


def _print(found: Comparison, *, by_task: bool) -> None:
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if found.standings:
        print_table(_COLUMNS, (_standing(one) for one in found.standings))
    for pair in found.pairs:
        click.echo(f"\n{pair.line}, compared with {pair.reference}")
        print_table(_GROUP_COLUMNS, (_group(one) for one in pair.groups))
        if by_task:
            click.echo()
            print_table(_TASK_COLUMNS, (_task(one) for one in pair.tasks))
        else:
            click.echo(f"Tasks: {'; '.join(_counted(pair)) or 'none in common'}.")
    click.echo(f"\n{found.method.describe()}")


def _standing(one: Standing) -> list[str]:
    cells = (_interval(*numbers) for numbers in one.values.values())
    return [one.group, one.line, *cells, one.coverage.describe()]


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]")


def _group(one: GroupComparison) -> list[str | int | None]:
    tasks = "1 task" if one.tasks == 1 else f"{one.tasks} tasks"
    over = f"{tasks}, {one.seeds} seeds or more" if one.tasks else "no task with 2 seeds"
    over += f", {one.left_out} left out" if one.left_out else ""
    if one.p is None:
        return [one.group, one.verdict, *[""] * 5, over, None]
    difference = f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
    chances = (_p(one.p), _p(one.p_permutation))
    shares = (f"{one.improvement:.3f}", f"{one.control:.3f}")
    return [one.group, one.verdict, difference, *chances, *shares, over, one.seeds_needed]


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= _LEAST_P else f"<{_LEAST_P}"


def _task(one: TaskComparison) -> list[str | int | float | None]:
    score, low, high = (f"{value:.3f}" for value in (one.score, one.low, one.high))
    if one.env_step is None:
        return [one.task, one.verdict, "", "", None, "", None]
    seeds = f"{one.seeds} and {one.reference_seeds}"
    return [one.task, one.verdict, score, f"{low} to {high}", one.env_step, seeds, _p(one.p)]


def _counted(pair: Pair) -> Iterator[str]:
    """How many tasks have each verdict; those off the range by name, while they are few."""
    for word, count in Counter(task.verdict for task in pair.tasks).most_common():
        names = [task.task for task in pair.tasks if task.verdict == word]
        named = word != "inside" and count <= _NAMED
        yield f"{count} {word}" + (f" ({', '.join(names)})" if named else "")


def _plain(value: Any) -> Any:  # JSON has no word for not-a-number
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
