"""A report page over curves that nobody has trained, for the tests that read it and look at it."""

from __future__ import annotations

import numpy as np

from tdmpc2_bench.reports.page import (
    Cell,
    Column,
    FigureItem,
    LineCurve,
    LineInfo,
    Page,
    Row,
    SeedCurve,
    Table,
    TaskCurves,
)

LABELS = ("tdmpc2", "sac", "uniform (published)")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000")
SUITES = {"dmcontrol": ("walker", "cheetah"), "metaworld": ("mw-reach",)}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="360pt" viewBox="0 0 9 9">{}</svg>'


def tasks(of_each: int = 10) -> dict[str, str]:
    """Suite by task: ``of_each`` per domain."""
    return {
        f"{domain}-{number}": suite
        for suite, domains in SUITES.items()
        for domain in domains
        for number in range(1, of_each + 1)
    }


def line_curve(
    label: str, generator: np.random.Generator, *, top: float = 1000.0, seeds: int = 3
) -> LineCurve:
    """A curve that rises to some part of ``top`` within two million steps, with its seeds."""
    steps = np.arange(0, 2_000_001, 50_000)
    height, middle = top * generator.uniform(0.3, 1.0), generator.uniform(2e5, 9e5)
    rise = height / (1 + np.exp(-(steps - middle) / 1.8e5))
    noise = 0.05 * height * generator.standard_normal((seeds, len(steps)))
    values = np.clip(rise * generator.uniform(0.85, 1.1, (seeds, 1)) + noise, 0, top)
    each = [SeedCurve(seed, steps.tolist(), row.tolist()) for seed, row in enumerate(values, 1)]
    low, mean, high = values.min(0), values.mean(0), values.max(0)
    return LineCurve(label, steps.tolist(), mean.tolist(), low.tolist(), high.tolist(), tuple(each))


def task_curves(
    task: str, suite: str, labels: tuple[str, ...], generator: np.random.Generator, *, seeds: int
) -> TaskCurves:
    by_return = suite == "dmcontrol"
    top = 1000.0 if task.startswith("walker") else 90.0 if by_return else 1.0
    return TaskCurves(
        task=task,
        suite=suite,
        metric="return" if by_return else "success",
        unit="episode return" if by_return else "success rate at the last step",
        band=f"min to max of {seeds} seeds",
        lines=tuple(line_curve(label, generator, top=top, seeds=seeds) for label in labels),
    )


def final_table(curves: tuple[TaskCurves, ...]) -> Table:
    """A row for every line in every task; the first line's first value is missing."""
    rows = [
        Row(
            cells=(
                Cell(one.task),
                Cell(line.label),
                Cell(line.mean[-1], f"{line.mean[-1]:.3g}", f"[{line.low[-1]:.3g}]")
                if number or one is not curves[0]
                else Cell(None),
            ),
            suite=one.suite,
            task=one.task,
            lines=(line.label,),
        )
        for one in curves
        for number, line in enumerate(one.lines)
    ]
    columns = (
        Column("task"),
        Column("line"),
        Column("final", "number", help="mean of the last evaluation"),
    )
    return Table("final", "Final values", columns, tuple(rows), "At the last step.")


def verdicts(label: str) -> Table:
    words = (("match", "good"), ("worse", "bad"), ("better", "notable"), ("inconclusive", "open"))
    rows = [
        Row((Cell("dmcontrol"), Cell(word, tone=tone)), suite="dmcontrol", lines=(label,))
        for word, tone in words
    ]
    return Table(
        "verdicts", "Against the published", (Column("suite"), Column("verdict")), (*rows,)
    )


def line_info(label: str, colour: str) -> LineInfo:
    ended = (("done", 89), ("diverged", 1))
    return LineInfo(label, label, "default", "runs/x", colour, 3, 30, "2", ("a1b2c3d4",), ended)


def page(
    labels: tuple[str, ...] = LABELS, suites: dict[str, str] | None = None, *, seeds: int = 3
) -> Page:
    """A page of some tasks, named with their suites; equal arguments give equal pages."""
    generator = np.random.default_rng(0)
    curves = tuple(
        task_curves(task, suite, labels, generator, seeds=seeds)
        for task, suite in (suites or tasks()).items()
    )
    drawn = SVG.format('<path id="a" d="M0 0L9 9"/><use href="#a"/>')
    return Page(
        title="A comparison",
        subtitle="tdmpc2-bench report runs/x",
        notes=("95 % intervals", "2,000 resamples, seed 0"),
        warnings=("walker-1: sac has 2 seeds of 3",),
        lines=tuple(line_info(*pair) for pair in zip(labels, COLOURS, strict=False)),
        summary=(
            Table(
                "summary",
                "Aggregate scores",
                (Column("suite"), *(Column(label, "number", line=label) for label in labels)),
                (Row((Cell("all"), *(Cell(0.5 + 0.1 * i) for i in range(len(labels))))),),
            ),
        ),
        verdicts=(verdicts(labels[0]),),
        figures=tuple(
            FigureItem(f"f{i}", f"Figure {i}", drawn, "What it is.", (f"figures/f{i}.svg",))
            for i in range(2)
        ),
        curves=curves,
        tables=(final_table(curves),),
        provenance=(
            Table("machines", "Machines", (Column("machine"),), (Row((Cell("one of ours"),)),)),
        ),
    )
