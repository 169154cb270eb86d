"""The task tables agree with the published benchmark. No simulator is needed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdmpc2_bench.suites import dmcontrol, maniskill2, metaworld, myosuite

# One line per task, "suite<TAB>name": the 104 tasks that have published curves.
PUBLISHED_FILE = Path(__file__).parents[1] / "golden" / "published_tasks.txt"

TABLES = {
    "dmcontrol": dmcontrol.TASKS,
    "metaworld": metaworld.TASKS,
    "maniskill2": maniskill2.TASKS,
    "myosuite": myosuite.TASKS,
}
ALL_TASKS = tuple(task for table in TABLES.values() for task in table)

each_suite = pytest.mark.parametrize("suite", TABLES)


def _published(suite: str) -> set[str]:
    rows = [line.split("\t") for line in PUBLISHED_FILE.read_text(encoding="utf-8").splitlines()]
    return {name for row_suite, name in rows if row_suite == suite}


def _tagged(tag: str) -> set[str]:
    return {task.name for task in ALL_TASKS if tag in task.tags}


@pytest.mark.parametrize(
    ("suite", "count"),
    [("dmcontrol", 39), ("metaworld", 50), ("maniskill2", 5), ("myosuite", 10)],
)
def test_each_suite_has_as_many_tasks_as_the_paper(suite: str, count: int) -> None:
    assert count == len(TABLES[suite])


@each_suite
def test_the_tasks_of_a_suite_are_those_published(suite: str) -> None:
    assert _published(suite) == {task.name for task in TABLES[suite]}


@each_suite
def test_every_row_names_the_suite_it_stands_in(suite: str) -> None:
    assert {suite} == {task.suite for task in TABLES[suite]}


def test_no_name_or_alias_is_used_twice() -> None:
    names = [name for task in ALL_TASKS for name in (task.name, *task.aliases)]
    assert sorted(set(names)) == sorted(names)


@each_suite
def test_no_two_tasks_of_a_suite_are_the_same_simulation(suite: str) -> None:
    env_ids = [task.env_id for task in TABLES[suite]]
    assert sorted(set(env_ids)) == sorted(env_ids)


def test_names_and_aliases_are_lower_case() -> None:
    names = [name for task in ALL_TASKS for name in (task.name, *task.aliases)]
    assert [name.lower() for name in names] == names


@pytest.mark.parametrize(
    ("suite", "agent_steps", "discount", "seed_steps"),
    [
        ("dmcontrol", 500, 0.99, 2500),
        ("metaworld", 100, 0.95, 1000),
        ("maniskill2", 100, 0.95, 1000),
        ("myosuite", 100, 0.95, 1000),
    ],
)
def test_episode_length_gives_the_published_discount_and_seed_steps(
    suite: str, agent_steps: int, discount: float, seed_steps: int
) -> None:
    for task in TABLES[suite]:
        assert agent_steps == task.episode_agent_steps, task.name
        assert discount == pytest.approx(task.discount), task.name
        assert seed_steps == task.seed_steps, task.name


@each_suite
def test_evaluations_are_50_000_agent_steps_apart_and_divide_the_budget(suite: str) -> None:
    for task in TABLES[suite]:
        assert 50_000 * task.action_repeat == task.eval_every, task.name
        assert task.budget % task.eval_every == 0, task.name


def test_mt30_has_30_tasks_all_of_dmcontrol() -> None:
    assert len(_tagged("mt30")) == 30
    assert _tagged("mt30") <= _published("dmcontrol")


def test_mt80_has_80_tasks_mt30_and_all_of_metaworld() -> None:
    assert len(_tagged("mt80")) == 80
    assert _tagged("mt30") | _published("metaworld") == _tagged("mt80")


def test_high_dim_tasks_are_those_with_at_least_20_actions() -> None:
    assert {task.name for task in ALL_TASKS if task.action_dim >= 20} == _tagged("high-dim")
