"""Tasks, suites and agents are found by name, and listing them costs nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from tdmpc2_bench import protocol, registry
from tdmpc2_bench.errors import SuiteUnavailable, UnknownName, UsageError


def names(*patterns: str) -> list[str]:
    return [row.name for row in registry.select(patterns)]


ALL = [row.name for row in registry.tasks()]
TOYS = [row.name for row in registry.suite("toy").TASKS]


def in_new_interpreter(program: str) -> None:
    subprocess.run([sys.executable, "-P", "-c", program], check=True)


# Tasks


def test_every_task_is_found_by_its_name() -> None:
    assert len(ALL) == 104
    assert len(set(ALL)) == 104
    for row in (*registry.tasks(), *registry.suite("toy").TASKS):
        assert row == registry.task(row.name)
        assert [row] == registry.select([row.name])


@pytest.mark.parametrize(
    ("alias", "name"),
    [("myo-hand-reach", "myo-reach"), ("ball-in-cup-catch", "cup-catch")],
)
def test_other_spellings_are_accepted(alias: str, name: str) -> None:
    assert name in ALL
    assert registry.task(name) == registry.task(alias)
    assert [name] == names(alias)
    assert [name] == names(alias, name)


def test_no_alias_is_another_tasks_name() -> None:
    spellings = [name for row in registry.tasks() for name in (row.name, *row.aliases)]
    assert len(set(spellings)) == len(spellings)
    assert not {*spellings} & {*TOYS}


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("walker-rum", "walker-run"),
        ("toy-pint", "toy-point"),
        ("ball-in-cup-cath", "ball-in-cup-catch"),
        ("Walker-run", "walker-run"),
    ],
)
def test_an_unknown_task_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    for look in (registry.task, names):
        with pytest.raises(UnknownName, match=f"no task named '{wrong}'.*Did you mean .*'{near}'"):
            look(wrong)


def test_a_name_like_no_other_is_answered_with_where_to_look() -> None:
    with pytest.raises(UnknownName, match="tdmpc2-bench ls tasks"):
        registry.task("xyzzy")


# Selections


def test_all_is_the_benchmark_without_toys() -> None:
    assert names("all") == ALL
    assert not {*TOYS} & {*names("all", "mt80", "suite:dmcontrol")}


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("mt30", 30), ("mt80", 80), ("tag:mt30", 30), ("suite:dmcontrol", 39),
        ("suite:metaworld", 50), ("suite:maniskill2", 5), ("suite:myosuite", 10),
        ("suite:toy", 2),
    ],
)  # fmt: skip
def test_sets_have_their_published_sizes(pattern: str, count: int) -> None:
    assert count == len(names(pattern))


def test_the_multitask_sets_nest() -> None:
    assert {*names("mt30")} < {*names("mt80")} < {*names("all")}


def test_every_tag_selects_its_tasks() -> None:
    tags = {tag for row in registry.tasks() for tag in row.tags}
    for tag in tags:
        assert [row.name for row in registry.tasks() if tag in row.tags] == names(f"tag:{tag}")


def test_globs_match_names_and_aliases() -> None:
    assert [name for name in ALL if name.startswith("walker-")] == names("walker-*")
    assert [name for name in ALL if name.startswith("cup-")] == names("ball-in-*")
    assert names("ball-in-cup-c*", "cup-c*") == ["cup-catch"]
    assert names("dog-r?n") == ["dog-run"]
    assert names("toy-*") == TOYS


def test_a_selection_has_each_task_once_in_the_benchmarks_order() -> None:
    chosen = names("walker-run", "suite:myosuite", "walker-*", "acrobot-swingup", "all")
    assert chosen == ALL
    chosen = names("toy-point", "myo-reach", "walker-walk", "myo-reach")
    assert chosen == ["walker-walk", "myo-reach", "toy-point"]


def test_nothing_selects_nothing() -> None:
    assert names() == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("walker-rum*", "no task named 'walker-rum*'"),
        ("suite:dmcontrl", "no suite named 'dmcontrl'. Did you mean 'dmcontrol'"),
        ("tag:mt3", "no tag named 'mt3'. Did you mean 'mt30'"),
        ("tags:mt30", "no kind of selection named 'tags'. Did you mean 'tag'"),
        ("", "no task named ''"),
    ],
)
def test_a_selection_that_fits_nothing_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UnknownName) as error:
        names("walker-run", pattern)
    assert message in str(error.value)


# What is loaded when

HEAVY = ("torch", "gymnasium", "numpy", "mujoco", "dm_control", "metaworld", "myosuite")


def test_listing_tasks_loads_no_library() -> None:
    in_new_interpreter(
        "import sys\n"
        "from tdmpc2_bench import registry\n"
        "assert len(registry.select(['all', 'toy-*', 'tag:mt30'])) == 106\n"
        f"loaded = sys.modules.keys() & set({HEAVY!r})\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )


def test_naming_agents_loads_neither_torch_nor_gymnasium() -> None:
    in_new_interpreter(
        "import sys\n"
        "from tdmpc2_bench import registry, variant\n"
        "for name in registry.AGENTS:\n"
        "    entry = registry.agent(name)\n"
        "    variant.name(entry.presets, entry.default_preset, entry.default_preset, {})\n"
        "heavy = {'torch', 'gymnasium', 'mujoco', 'dm_control', 'stable_baselines3'}\n"
        "loaded = sys.modules.keys() & heavy\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )


# Environments and agents


def test_a_task_becomes_its_environment() -> None:
    env = registry.make(registry.task("toy-plane"))
    assert registry.task("toy-plane") == env.task
    env.close()


@pytest.mark.usefixtures("toy_cannot_run")
def test_a_suite_that_cannot_run_yet_says_which_can() -> None:
    with pytest.raises(SuiteUnavailable, match=r"'toy'.*suites that run: dmcontrol, metaworld"):
        registry.make(registry.task("toy-plane"))


def test_a_simulator_that_is_missing_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "versions", dict.fromkeys)
    with pytest.raises(SuiteUnavailable, match=r'dm.control.*pip install "tdmpc2-bench\[dmcontrol'):
        registry.make(registry.task("walker-run"))


def test_an_agent_is_found_by_name() -> None:
    for name in registry.AGENTS:
        entry = registry.agent(name)
        assert name == entry.name
        assert entry.default_preset in entry.presets
        assert entry.revision >= 1
        assert entry.description
        assert all(isinstance(preset, entry.config_type) for preset in entry.presets.values())
    near = r"no agent named 'tdmpc3'\. Did you mean 'tdmpc' or 'tdmpc2'"
    with pytest.raises(UnknownName, match=near):
        registry.agent("tdmpc3")


@pytest.mark.parametrize(
    ("agent", "library", "extra"),
    [("tdmpc2", "torch", "torch"), ("sac", "torch", "sac"), ("sac", "stable_baselines3", "sac")],
)
def test_an_agent_without_its_library_says_what_to_install(
    agent: str, library: str, extra: str
) -> None:
    if library != "torch":
        pytest.importorskip("torch")
    in_new_interpreter(
        "import sys\n"
        f"sys.modules[{library!r}] = None\n"
        "from tdmpc2_bench import registry\n"
        "from tdmpc2_bench.errors import UsageError\n"
        f"entry = registry.agent({agent!r})\n"
        "config = entry.presets[entry.default_preset]\n"
        "try:\n"
        "    entry.build(config, registry.task('toy-point'), [1])\n"
        "except UsageError as error:\n"
        f"    told = 'needs {library}; ' in str(error), '\"tdmpc2-bench[{extra}]\"' in str(error)\n"
        "    sys.exit(None if all(told) else str(error))\n"
        "sys.exit('no error')"
    )


def test_an_agents_own_mistake_is_not_taken_for_a_missing_library() -> None:
    entry = dataclasses.replace(registry.agent("tdmpc2"), package="tdmpc2_bench.baselines.tdmpc3")
    with pytest.raises(ModuleNotFoundError, match="tdmpc3"):
        entry.build(entry.presets["paper"], registry.task("toy-point"), [1])


def test_a_library_that_an_agent_learns_with_is_part_of_what_its_results_depend_on() -> None:
    assert registry.agent("sac").distributions == ("stable-baselines3",)
    assert registry.agent("tdmpc2").distributions == ()  # numpy and torch always are


def test_an_unknown_suite_is_a_wrong_request() -> None:
    with pytest.raises(UsageError, match="no suite named 'dm-control'"):
        registry.suite("dm-control")


def test_one_pattern_need_be_no_list() -> None:
    assert registry.select("walker-run") == registry.select(["walker-run"])
