"""Figures show what was found, and say what it is."""

from __future__ import annotations

import importlib
from typing import Any

import long_tables
import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

from tdmpc2_bench import reports  # noqa: E402 - after the word on what is missing
from tdmpc2_bench.reports import (  # noqa: E402
    aggregate,
    curves,
    figures,
    findings,
    grid,
    summary,
    theme,
)
from tdmpc2_bench.reports.findings import Findings  # noqa: E402

TASKS = ("walker-walk", "walker-run", "mw-reach")


def find(*tables: pd.DataFrame, name: str = "runs/x") -> Findings:
    return findings.find([long_tables.source(name, *tables)], reps=20)


@pytest.fixture(scope="module")
def found() -> Findings:
    """Two agents, one of them evaluated without its planner too, a seed and a task missing."""
    plan = long_tables.table(lambda _, seed, step: seed * step / 1e6, tasks=TASKS)
    policy = plan.assign(mode="mean", headline=False, score=plan["score"] / 2)
    sac = long_tables.table(lambda _, seed, step: step / 1e6, tasks=TASKS[:2], agent="sac")
    return find(plan, policy, sac[~((sac["task"] == TASKS[0]) & (sac["seed"] == 3))])


def heights(figure: Any, title: str) -> list[float]:
    (axes,) = [one for one in figure.axes if one.get_title() == title]
    return [bar.get_height() for bar in axes.patches]


def test_the_height_of_a_bar_is_the_interquartile_mean() -> None:
    scores = {"walker-walk": (0.1, 0.2, 0.9, 1.0), "walker-run": (0.3, 0.4, 0.5, 0.6)}
    table = long_tables.table(
        lambda task, seed, _: scores[task][seed - 1], tasks=TASKS[:2], seeds=range(1, 5)
    )
    drawn = heights(summary.draw(find(table)), "DMControl")
    assert drawn == pytest.approx([0.45] * 2)  # at 100k and the common step


def test_a_line_without_results_at_a_budget_has_a_cross_and_no_bar() -> None:
    far = long_tables.table(lambda *_: 0.5, tasks=TASKS[:2], steps=range(0, 600_000, 100_000))
    near = long_tables.table(lambda *_: 0.5, tasks=TASKS[:2], steps=(0, 100_000), agent="sac")
    figure = summary.draw(find(far, near))
    (axes,) = [one for one in figure.axes if one.get_title() == "DMControl"]
    crosses = [line.get_xdata() for line in axes.lines if line.get_marker() == "x"]
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    places = [round(float(x)) for x in np.concatenate(crosses)]
    assert [ticks[place] for place in places] == ["250k", "500k"]
    assert 0 not in heights(figure, "DMControl")


def test_captions_say_tasks_seeds_and_what_the_band_is(found: Findings) -> None:
    for name in ("aggregate", "summary", "profiles", "efficiency"):
        text = importlib.import_module(f"tdmpc2_bench.reports.{name}").caption(found)
        assert "2-3 seeds x 2-3 tasks, 4 runs missing" in text
        assert "95% stratified bootstrap, 20 resamples, seed 1" in text
        assert "SAC in all tasks (2 of 3)" in text
    text = grid.caption(found)
    assert "lowest to highest seed" in text and "3 tasks, 2-3 seeds" in text


def test_a_line_with_few_of_the_tasks_is_named_instead_of_drawn() -> None:
    all_tasks = long_tables.table(lambda *_: 0.5, tasks=TASKS)
    one_task = long_tables.table(lambda *_: 0.5, tasks=TASKS[:1], agent="sac")
    both = find(all_tasks, one_task)
    axes = aggregate.draw(both).axes[-1]
    assert axes.get_title() == "all tasks" and len(axes.lines) == 1
    assert "Not drawn for lack of tasks: SAC in all tasks (1 of 3)" in aggregate.caption(both)


def test_the_curve_over_a_group_is_the_one_of_its_scores(found: Findings) -> None:
    axes = next(one for one in aggregate.draw(found).axes if one.get_title() == "Meta-World")
    (line,) = axes.lines
    assert list(line.get_xdata()) == [0, 100, 200]
    assert list(line.get_ydata()) == pytest.approx([0, 0.2, 0.4])


def test_the_grid_has_a_panel_per_task_and_its_bands_reach_the_seeds(found: Findings) -> None:
    figure = grid.draw(found)
    assert [axes.get_title() for axes in figure.axes] == [*TASKS]
    (band, _) = figure.axes[0].collections
    top = max(vertex[1] for path in band.get_paths() for vertex in path.vertices)
    assert top == pytest.approx(0.2)  # sac; seeds 1 to 3 of tdmpc2 end at 0.2, 0.4, 0.6


def test_every_figure_can_be_drawn_or_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, found: Findings
) -> None:
    monkeypatch.setattr(theme, "METADATA", {"svg": {"Date": None}})
    skipped: list[str] = []
    drawn = [one.name for one in figures.drawings(found, (), skipped=skipped)]
    of_tasks = [f"curves-{task}" for task in TASKS]
    assert drawn == [*(n for n in reports.FIGURES if n not in {"compute", "curves"}), *of_tasks]
    (text,) = skipped
    assert text.startswith("compute: no cell has a training log")


def test_single_tasks_are_drawn_unasked_only_while_they_are_few(
    monkeypatch: pytest.MonkeyPatch, found: Findings
) -> None:
    monkeypatch.setattr(figures, "FEW_TASKS", 2)
    monkeypatch.setattr(reports, "FIGURES", ("curves",))
    skipped: list[str] = []
    assert not list(figures.drawings(found, (), skipped=skipped))
    assert skipped == ["curves: there is one for each of 3 tasks; --only curves draws them"]
    assert len(list(figures.drawings(found, ("curves",), skipped=[]))) == 3


def test_equal_findings_give_equal_files(found: Findings) -> None:
    first, again = (
        {one.name: one.files for one in figures.drawings(found, ("aggregate", "grid"), skipped=[])}
        for _ in range(2)
    )
    assert set(first["grid"]) == {"svg", "png", "pdf", "csv"} and first == again


def test_a_name_is_a_text_and_never_markup() -> None:
    evil = '<script>alert("$x^")</script>&'
    table = long_tables.table(lambda *_: 0.5, tasks=TASKS[:1], agent=evil)
    both = find(table, name="runs/$<b>")
    (drawn,) = figures.drawings(both, ("grid",), skipped=[])
    svg = drawn.files["svg"].decode()
    assert "<script" not in svg and "&lt;script&gt;" in svg


def test_a_curve_shows_seed_lines_their_mean_and_the_policy_dashed() -> None:
    steps = {"steps": (0, 2_000_000), "seeds": (1, 2), "tasks": TASKS[:1]}
    plan = long_tables.table(lambda _, seed, step: seed * step / 2e8, **steps)
    policy = long_tables.table(lambda _, _s, step: step / 4e8, **steps, mode="mean", headline=False)
    (axes,) = curves.draw(find(plan, policy), TASKS[0]).axes
    lines = [(line.get_linestyle(), list(line.get_ydata())) for line in axes.get_lines()]
    assert ("-", [0, 10]) in lines and ("-", [0, 20]) in lines and ("-", [0, 15]) in lines
    assert ("--", [0, 5]) in lines
    assert list(axes.get_lines()[0].get_xdata()) == [0, 2]
    assert axes.get_xlabel() == "environment steps (millions)"


def test_two_protocols_are_drawn_as_two_lines_that_say_so() -> None:
    tables = [
        long_tables.table(long_tables.constant([0.5]), tasks=TASKS[:1], seeds=(1,), fingerprint=one)
        for one in ("a", "b")
    ]
    both = find(*tables)
    (axes,) = curves.draw(both, TASKS[0]).axes
    (legend,) = axes.get_figure().legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == 2 and "protocol 2" in labels[1] and labels[0] != labels[1]
    assert any("another protocol" in warning for warning in both.warnings)


def test_a_long_variant_does_not_crush_the_picture() -> None:
    table = long_tables.table(lambda *_: 0.5, tasks=TASKS[:1], variant="batch_size=16," * 9)
    figure = curves.draw(find(table), TASKS[0])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_position().width > 0.6 and axes.get_position().height > 0.4
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 < figure.bbox.x1


def test_a_task_without_a_known_maximum_is_drawn_in_its_own_unit() -> None:
    table = long_tables.table(lambda *_: 0.5, tasks=TASKS[:1]).assign(score=np.nan)
    found = find(table)
    assert found.main is None and found.summary.empty
    skipped: list[str] = []
    drawn = [one.name for one in figures.drawings(found, (), skipped=skipped)]
    assert drawn == ["grid", f"curves-{TASKS[0]}"] and len(skipped) == 8
    (axes,) = grid.draw(found).axes
    assert max(axes.lines[0].get_ydata()) == 500


def test_an_agent_keeps_its_colour_and_published_figures_of_it_are_dashed() -> None:
    pytest.importorskip("pyarrow")
    from tdmpc2_bench import sources

    ours = long_tables.source("runs/x", long_tables.table(lambda *_: 0.5, tasks=TASKS))
    both = findings.find([ours, sources.load("published:tdmpc2")], reps=2)
    mine, published = theme.styles(both.lines).values()
    assert mine.colour == published.colour
    assert (mine.dash, published.dash) == ("-", "--")
    assert mine.name == "TD-MPC2 (runs/x)" and published.name == "TD-MPC2 (published)"
