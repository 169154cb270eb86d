"""What there is, by name: tasks, suites and agents.

Listing imports neither a simulator nor a learning framework; those load when a task or an agent
is built.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tdmpc2_bench.errors import SuiteUnavailable, UnknownName, UsageError

if TYPE_CHECKING:
    from tdmpc2_bench.agent import Agent, AgentConfig
    from tdmpc2_bench.env import TaskEnv
    from tdmpc2_bench.task import Task

# The suites of the benchmark, in the paper's order. `toy` is for tests and a first try only: it
# is found by name, and is no part of "all".
SUITES = ("dmcontrol", "metaworld", "maniskill2", "myosuite")
TOY = "toy"
AGENTS = ("tdmpc2", "uniform")
_HINT = "See `tdmpc2-bench ls tasks`."


def suite(name: str) -> ModuleType:
    """The module of a suite: TASKS, DISTRIBUTIONS, EXTRA and, where it can run, make().

    Raises:
        UnknownName: there is none of that name.
    """
    if name not in (*SUITES, TOY):
        raise UnknownName("suite", name, (*SUITES, TOY), hint=f"There are: {', '.join(SUITES)}.")
    return importlib.import_module(f"tdmpc2_bench.suites.{name}")


@functools.cache
def tasks() -> tuple[Task, ...]:
    """The benchmark's tasks, suite by suite."""
    return tuple(task for name in SUITES for task in suite(name).TASKS)


def task(name: str) -> Task:
    """The task of that name or alias.

    Raises:
        UnknownName: there is none.
    """
    names = _task_names()
    if name not in names:
        raise UnknownName("task", name, names, hint=_HINT)
    return names[name]


def known_tasks() -> tuple[Task, ...]:
    """The benchmark's tasks and the toy ones."""
    return (*tasks(), *suite(TOY).TASKS)


@functools.cache
def _task_names() -> Mapping[str, Task]:
    return {name: row for row in known_tasks() for name in (row.name, *row.aliases)}


def select(patterns: Iterable[str] = ("all",)) -> list[Task]:
    """Tasks that any of ``patterns`` names, each once, in the benchmark's order.

    Args:
        patterns: a name or alias, a glob ("walker-*"), "suite:NAME", "tag:NAME", a set ("mt30",
            "mt80") or "all".

    Raises:
        UnknownName: a pattern that fits no task.
    """
    chosen = {row.name for pattern in patterns for row in _matching(pattern)}
    return [row for row in known_tasks() if row.name in chosen]


def _matching(pattern: str) -> Sequence[Task]:
    kind, _, value = pattern.rpartition(":")
    if pattern == "all":
        return tasks()
    if kind == "suite":
        rows: tuple[Task, ...] = suite(value).TASKS
        return rows
    tags = sorted({tag for row in tasks() for tag in row.tags})
    if kind == "tag" or pattern in tags:
        if value not in tags:
            raise UnknownName("tag", value, tags, hint=f"There are: {', '.join(tags)}.")
        return [row for row in tasks() if value in row.tags]
    if kind:
        raise UnknownName("kind of selection", kind, ("suite", "tag"))
    if any(sign in pattern for sign in "*?["):
        found = [row for name, row in _task_names().items() if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise UnknownName("task", pattern, _task_names(), hint=_HINT)
        return found
    return [task(pattern)]


def make(row: Task) -> TaskEnv:
    """Build the environment of a task.

    Raises:
        SuiteUnavailable: its simulator is not installed, or not supported yet.
    """
    module = suite(row.suite)
    check_available(row.suite)
    env: TaskEnv = module.make(row)
    return env


def check_available(name: str) -> None:
    """Make sure that tasks of a suite can be run here, without importing its simulator.

    Raises:
        SuiteUnavailable: with what to do.
    """
    module = suite(name)
    if not hasattr(module, "make"):
        running = [other for other in SUITES if hasattr(suite(other), "make")]
        msg = (
            f"the tasks of suite {name!r} can be listed, but not yet run in this version; "
            f"suites that run: {', '.join(running)}"
        )
        raise SuiteUnavailable(msg)
    from tdmpc2_bench.protocol import versions  # not needed for listing

    missing = [dist for dist, found in versions(module.DISTRIBUTIONS).items() if found is None]
    if missing:
        msg = (
            f"suite {name!r} needs {' and '.join(missing)}; "
            f'install it with: pip install "tdmpc2-bench[{module.EXTRA}]"'
        )
        raise SuiteUnavailable(msg)


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as the harness knows it before it is built."""

    name: str
    revision: int  # raised whenever the agent's learning behaviour changes
    config_type: type[Any]
    presets: Mapping[str, AgentConfig]
    default_preset: str
    description: str  # one line

    def build(
        self, config: AgentConfig, row: Task, seeds: Sequence[int], *, device: str = "cpu"
    ) -> Agent:
        """Build the agent for a task, one lane per seed.

        Raises:
            UsageError: the learning framework it needs is not installed.
        """
        module_name = f"tdmpc2_bench.baselines.{self.name}.agent"
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            msg = f'agent {self.name!r} needs torch; install: pip install "tdmpc2-bench[torch]"'
            raise UsageError(msg) from error
        built: Agent = module.build(config, row, seeds, device=device)
        return built


def agent(name: str) -> AgentEntry:
    """The agent of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in AGENTS:
        raise UnknownName("agent", name, AGENTS, hint=f"There are: {', '.join(AGENTS)}.")
    package = importlib.import_module(f"tdmpc2_bench.baselines.{name}")
    config = importlib.import_module(f"tdmpc2_bench.baselines.{name}.config")
    return AgentEntry(
        name=name,
        revision=config.REVISION,
        config_type=config.CONFIG,
        presets=config.PRESETS,
        default_preset=config.DEFAULT_PRESET,
        description=(package.__doc__ or "").strip().splitlines()[0],
    )
