"""The examples of docs/extending.md are complete: they train, continue and draw."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cells
import numpy as np
import pages
import pytest

import tdmpc2_bench
from tdmpc2_bench import baselines, registry, reports, suites
from tdmpc2_bench.errors import Exit, UsageError
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.runner import train

PAGE = "docs/extending.md"
FILES = pages.files(PAGE, "python")
FOLDERS = {"suites": suites, "baselines": baselines, "reports": reports}


@pytest.fixture
def extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The harness with the page's files in its folders and their names in its lists."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for folder, package in FOLDERS.items():
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / folder)])
    monkeypatch.setattr(registry, "SUITES", (*registry.SUITES, "cart"))
    monkeypatch.setattr(registry, "AGENTS", (*registry.AGENTS, "constant"))
    forget = (
        registry.tasks, registry.suites, registry.known_tasks, registry._task_names, registry._agent
    )  # fmt: skip
    for function in forget:
        function.cache_clear()
    yield
    for function in forget:
        function.cache_clear()
    for name in [name for name in sys.modules if re.search(r"\.(cart|constant|final)\b", name)]:
        del sys.modules[name]


def job(root: Path, **changes: Any) -> Job:
    described: dict[str, Any] = {
        "root": str(root), "agent": "constant", "preset": "careful", "overrides": {"width": 0.5},
        "task": "cart-rest", "seed": 1, "steps": 4_000, "eval_every": 2_000, "eval_episodes": 3,
    }  # fmt: skip
    return Job(**{**described, **changes})


def test_the_page_has_a_suite_an_agent_and_a_figure() -> None:
    assert {name.split("/")[0] for name in FILES} == set(FOLDERS)
    assert len(FILES) == 6


def test_the_row_makes_a_task_of_the_suite_it_is_for() -> None:
    from tdmpc2_bench.suites import toy

    (rows,) = re.findall(
        r"^```python\nTASKS = (\(.*?^\))", pages.PAGES[PAGE], re.MULTILINE | re.DOTALL
    )
    *before, task = eval(rows, vars(toy))
    assert tuple(before) == toy.TASKS
    env = toy.make(task)
    obs, _ = env.reset(seed=1)
    assert obs.shape == (6,) and env.action_space.shape == (3,)
    env.close()


@pytest.mark.usefixtures("extended")
def test_equal_seeds_of_the_suite_give_equal_episodes() -> None:
    first, again = (registry.make(registry.task("cart-rest")) for _ in range(2))
    again.reset(seed=7)  # used before for another episode
    observed = []
    for env in (first, again):
        env.reset(seed=3)
        observed.append([env.step(np.array([0.5], np.float32))[0] for _ in range(50)])
        env.close()
    assert np.array_equal(*observed)


@pytest.mark.usefixtures("extended")
def test_the_agent_learns_and_its_name_says_its_settings(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    todo = job(tmp_path)
    assert str(todo.cell) == "constant/width=0.5/cart-rest/1"
    cells.finish(todo)
    table = tdmpc2_bench.load_results(tmp_path)
    returns = table.set_index("env_step")["return"]
    assert returns[4_000] > returns[0]


@pytest.mark.usefixtures("extended")
def test_the_agent_continues_bit_for_bit(tmp_path: Path) -> None:
    straight = cells.results(cells.finish(job(tmp_path / "straight")))
    todo = job(tmp_path / "stopped")
    for looks in (150, 700):
        assert train(todo, cells.StopAfter(looks)) == Exit.INTERRUPTED
    assert train(todo, StopRequest()) == Exit.OK
    finished = cells.cell_of(todo).finished()
    assert finished is not None and finished.number == 3
    assert cells.results(finished) == straight


@pytest.mark.usefixtures("extended")
def test_the_agent_refuses_what_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"width=-1\.0: expected more"):
        tdmpc2_bench.run("cart-rest", agents="constant", settings={"width": -1}, out=tmp_path)


@pytest.mark.usefixtures("extended")
def test_the_figure_shows_every_seed_of_every_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    from tdmpc2_bench import sources
    from tdmpc2_bench.reports import findings

    for seed in (1, 2):
        for agent in ({}, {"agent": "uniform", "preset": "uniform", "overrides": {}}):
            cells.finish(job(tmp_path, seed=seed, steps=200, eval_every=100, **agent))
    final = importlib.import_module("tdmpc2_bench.reports.final")
    figure = final.draw(findings.find([sources.load(str(tmp_path))], reps=5))
    (axes,) = figure.axes
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["constant width=0.5", "uniform"]
    monkeypatch.setattr(reports, "FIGURES", ("final",))
    monkeypatch.setattr(reports, "PARTS", ("final", "tables"))
    written = tdmpc2_bench.report(tmp_path, only=["final"], reps=5)
    assert {path.name for path in written.files} == {
        f"final.{suffix}" for suffix in ("csv", "pdf", "png", "svg")
    }
