"""What there is, by name: tasks, suites and agents, ours and those of other packages.

Listing imports neither a simulator nor a learning framework; those load when a task or an agent
is built.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import plugins
from tdmpc2_bench.errors import SuiteUnavailable, UnknownName, UsageError
from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from tdmpc2_bench.agent import Agent, AgentConfig
    from tdmpc2_bench.asset import Assets
    from tdmpc2_bench.env import TaskEnv

# The suites of the benchmark, in the paper's order: what "all" means.
SUITES = ("dmcontrol", "metaworld", "maniskill2", "myosuite")
# Found by name only: `toy` is for tests and a first try, `gym` stands for whatever gymnasium has.
_FURTHER_SUITES = ("toy", "gym")
AGENTS = ("tdmpc2", "tdmpc", "sac", "uniform")
_HINT = "See `tdmpc2-bench ls tasks`."


def suite(name: str) -> ModuleType:
    """The module of a suite: TASKS, DISTRIBUTIONS and, where it can run, make().

    It may have ad_hoc(env_id), which gives tasks named "SUITE:ENV_ID"; assets(task), which says
    what a task needs beside the simulator; PROTOCOL, what its results depend on beside rows and
    versions; EXTRA, the pip extra of ours that installs its simulator, or REQUIREMENTS, PYTHON and
    DEBIAN_PACKAGES, if it needs an interpreter of its own.

    Raises:
        UnknownName: there is none of that name.
        BrokenPlugin: another package adds it, and it cannot be used.
    """
    if name in (*SUITES, *_FURTHER_SUITES):
        return importlib.import_module(f"tdmpc2_bench.suites.{name}")
    if name in plugins.points("suites"):
        return _added_suite(name)
    known = (*SUITES, *_FURTHER_SUITES, *plugins.points("suites"))
    raise UnknownName("suite", name, known, hint=f"There are: {', '.join(known)}.")


@functools.cache
def suites() -> Mapping[str, ModuleType]:
    """Every suite that can be named: the benchmark's, our further ones, other packages'."""
    ours = {name: suite(name) for name in (*SUITES, *_FURTHER_SUITES)}
    return {**ours, **plugins.usable(plugins.new("suites", ours), suite)}


@functools.cache
def tasks() -> tuple[Task, ...]:
    """The benchmark's tasks, suite by suite."""
    return tuple(task for name in SUITES for task in suite(name).TASKS)


def task(name: str) -> Task:
    """The task of that name or alias, or the one that a suite makes of "SUITE:ENV_ID".

    Raises:
        UnknownName: there is none.
    """
    names = _task_names()
    if name in names:
        return names[name]
    of_suite, colon, env_id = name.partition(":")
    if colon and hasattr(suites().get(of_suite), "ad_hoc"):
        return _ad_hoc(of_suite, env_id)
    raise UnknownName("task", name, names, hint=_HINT)


@functools.cache  # building its environment takes a while
def _ad_hoc(of_suite: str, env_id: str) -> Task:
    row: Task = suite(of_suite).ad_hoc(env_id)
    return row


@functools.cache
def known_tasks() -> tuple[Task, ...]:
    """All tasks that have a name: the benchmark's, our further ones, other packages'."""
    rows = [row for module in suites().values() for row in module.TASKS]
    added = plugins.usable(plugins.points("tasks"), _added_task)
    return (*rows, *added.values())


@functools.cache
def _task_names() -> Mapping[str, Task]:
    return {name: row for row in known_tasks() for name in (row.name, *row.aliases)}


def select(patterns: str | Iterable[str] = ("all",)) -> list[Task]:
    """Tasks that any of ``patterns`` names, each once, in the benchmark's order.

    Args:
        patterns: a name or alias, a glob ("walker-*"), "suite:NAME", "tag:NAME", a set ("mt30",
            "mt80"), "gym:ENV_ID" or "all".

    Raises:
        UnknownName: a pattern that fits no task.
    """
    named = [patterns] if isinstance(patterns, str) else patterns
    chosen = {row.name: row for pattern in named for row in _matching(pattern)}
    ordered = [chosen.pop(row.name) for row in known_tasks() if row.name in chosen]
    return [*ordered, *chosen.values()]  # ad hoc ones, which have no place, at the end


def _matching(pattern: str) -> Sequence[Task]:
    kind, colon, value = pattern.partition(":")
    if pattern == "all":
        return tasks()
    if kind == "suite" and colon:
        rows: tuple[Task, ...] = suite(value).TASKS
        return rows
    tags = sorted({tag for row in known_tasks() for tag in row.tags})
    if (kind == "tag" and colon) or pattern in tags:
        tag = value if colon else pattern
        if tag not in tags:
            raise UnknownName("tag", tag, tags, hint=f"There are: {', '.join(tags)}.")
        return [row for row in known_tasks() if tag in row.tags]
    if colon:
        kinds = [name for name, module in suites().items() if hasattr(module, "ad_hoc")]
        if kind not in kinds:
            raise UnknownName("kind of selection", kind, ("suite", "tag", *kinds))
        return [task(pattern)]
    if any(sign in pattern for sign in "*?["):
        found = [row for name, row in _task_names().items() if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            raise UnknownName("task", pattern, _task_names(), hint=_HINT)
        return found
    return [task(pattern)]


def make(row: Task) -> TaskEnv:
    """Build the environment of a task, in this process or in its suite's own interpreter.

    Raises:
        SuiteUnavailable: its simulator is not installed, or not supported yet; or its assets are
            not there.
    """
    python = interpreter(row.suite)
    check_assets(row)
    if python is None:
        return make_here(row)
    from tdmpc2_bench.protocol import versions
    from tdmpc2_bench.worker import remote

    return remote.make(row, python, versions(distributions(row), path(row.suite)))


def make_here(row: Task) -> TaskEnv:
    """Build the environment of a task in this process, whose interpreter has its simulator."""
    env: TaskEnv = suite(row.suite).make(row)
    return env


def check_available(name: str) -> None:
    """Make sure that tasks of a suite can be run here, without importing its simulator.

    Raises:
        SuiteUnavailable: with what to do.
    """
    interpreter(name)


def check_interpreter(name: str) -> None:
    """Make sure, too, that the suite's own interpreter starts and has our code, if it has one.

    Raises:
        SuiteUnavailable: with what to do.
        WorkerFailed: it did not answer in time, or was killed.
    """
    python = interpreter(name)
    if python is not None:
        from tdmpc2_bench.worker import process

        process.greet(name, python)


def interpreter(name: str) -> Path | None:
    """The interpreter that has a suite's simulator; None if it is this one.

    Where both have it, it is this one. No other is started to find out.

    Raises:
        SuiteUnavailable: none has it, or the one that is to have it; with what to do.
    """
    module = suite(name)
    if not hasattr(module, "make"):
        running = [other for other, found in suites().items() if hasattr(found, "make")]
        msg = (
            f"the tasks of suite {name!r} can be listed, but not yet run in this version; "
            f"suites that run: {', '.join(running)}"
        )
        raise SuiteUnavailable(msg)
    missing = _missing(module)
    if not missing:
        return None
    from tdmpc2_bench import interpreters  # not needed for listing

    python = interpreters.find(name)
    if python is None:
        msg = f"suite {name!r} needs {' and '.join(missing)}; {_cure(name, module, missing)}"
        raise SuiteUnavailable(msg)
    if missing := _missing(module, interpreters.site_packages(python)):
        msg = (
            f"suite {name!r} needs {' and '.join(missing)} in its own interpreter, {python}; "
            f"install it there, or name another with {interpreters.variable(name)}"
        )
        raise SuiteUnavailable(msg)
    return python


def path(name: str) -> Sequence[str] | None:
    """Folders that hold the simulator of a suite; None: those of this interpreter, or nowhere."""
    from tdmpc2_bench import interpreters  # not needed for listing

    try:
        python = interpreter(name)
    except SuiteUnavailable:
        return None
    return None if python is None else interpreters.site_packages(python)


def assets(row: Task) -> Assets | None:
    """What a task needs beside its simulator; None if nothing."""
    module = suite(row.suite)
    found: Assets | None = module.assets(row) if hasattr(module, "assets") else None
    return found


def check_assets(row: Task) -> None:
    """Make sure that a task's assets are there; warn if they were made up.

    Raises:
        SuiteUnavailable: with what to do.
    """
    needed = assets(row)
    if needed is None:
        return
    if missing := needed.missing:
        msg = (
            f"task {row.name!r} needs assets, and {missing[0]} is not in {needed.folder}; fetch "
            f"them with: tdmpc2-bench assets {row.name} --download, or name the folder that has "
            f"them with {needed.variable}"
        )
        raise SuiteUnavailable(msg)
    if needed.stand_in:
        plugins.warn(f"{row.name} runs on stand-ins, {needed.folder}: its results mean nothing")


def distributions(row: Task) -> tuple[str, ...]:
    """PyPI distributions whose versions results on a task depend on, the learner's aside."""
    return (*suite(row.suite).DISTRIBUTIONS, *row.distributions)


def rules(row: Task) -> Mapping[str, str]:
    """What the suite of a task says of how its tasks are played, for their protocol."""
    found: Mapping[str, str] = getattr(suite(row.suite), "PROTOCOL", {})
    needed = assets(row)
    return found if needed is None else {**found, "assets": needed.identity()}


def conditions(row: Task) -> dict[str, Any]:
    """The protocol under which a task is played here, see `protocol.protocol`."""
    from tdmpc2_bench import protocol  # not needed for listing

    return protocol.protocol(row, distributions(row), rules(row), path=path(row.suite))


def _missing(module: ModuleType, path: Sequence[str] | None = None) -> list[str]:
    """Distributions that a suite needs and that are not in ``path``; None: in this interpreter."""
    from tdmpc2_bench import protocol  # not needed for listing

    found = protocol.versions(module.DISTRIBUTIONS, path)
    return [name for name, version in found.items() if version is None]


def _cure(name: str, module: ModuleType, missing: Iterable[str]) -> str:
    """What to do about a suite that no interpreter has."""
    from tdmpc2_bench import interpreters

    if hasattr(module, "REQUIREMENTS"):
        cure = f"set up its own interpreter with: tdmpc2-bench setup {name}"
    else:
        ours = getattr(module, "EXTRA", None)
        source = f'"tdmpc2-bench[{ours}]"' if ours else " ".join(missing)
        cure = f"install it with: pip install {source}"
    return f"{cure}; or name an interpreter that has it with {interpreters.variable(name)}"


@functools.cache
def _added_suite(name: str) -> ModuleType:
    """A suite of another package, once it is found to be one."""
    module: ModuleType = plugins.load("suites", name)
    missing = [part for part in ("TASKS", "DISTRIBUTIONS", "make") if not hasattr(module, part)]
    if missing:
        raise plugins.broken("suites", name, f"it has no {' and no '.join(missing)}")
    for row in module.TASKS:
        if row.suite != name:
            raise plugins.broken("suites", name, f"{row.name!r} says that its suite is {row.suite}")
        _check_added("suites", name, row)
    return module


def _added_task(name: str) -> Task:
    """A task of another package, once it is found to be one."""
    row = plugins.load("tasks", name)
    if not isinstance(row, Task) or row.suite not in suites():
        raise plugins.broken("tasks", name, "expected a Task whose suite there is")
    _check_added("tasks", name, row)
    return row


def _check_added(group: plugins.Group, name: str, row: Task) -> None:
    ours = [*tasks(), *suite("toy").TASKS]
    taken = {known for one in ours for known in (one.name, *one.aliases)}
    if taken & {row.name, *row.aliases}:
        raise plugins.broken(group, name, f"there is a task named {row.name!r} already")


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as the harness knows it before it is built."""

    name: str
    revision: int  # raised whenever the agent's learning behaviour changes
    config_type: type[Any]
    presets: Mapping[str, AgentConfig]
    default_preset: str
    description: str  # one line
    package: str  # its modules `config` and `agent` lie in there
    # PyPI distributions whose versions its results depend on beside torch's: libraries it learns
    # with, and the one that it comes from, where that is not ours.
    distributions: tuple[str, ...] = ()
    extra: str | None = None  # pip extra of ours that installs the libraries it learns with
    # How many numbers it learns on a task with some settings; None: it does not say.
    parameters: Callable[[Any, Task], int] | None = None

    def build(
        self, config: AgentConfig, row: Task, seeds: Sequence[int], *, device: str = "cpu"
    ) -> Agent:
        """Build the agent for a task, one lane per seed.

        Raises:
            UsageError: a library that it learns with is not installed.
        """
        try:
            module = importlib.import_module(f"{self.package}.agent")
        except ModuleNotFoundError as error:
            library = (error.name or "").partition(".")[0]
            ours = library == __name__.partition(".")[0]
            if ours or (self.extra is None and library != "torch"):
                raise
            source = f'"tdmpc2-bench[{self.extra or "torch"}]"'
            msg = f"agent {self.name!r} needs {library}; install: pip install {source}"
            raise UsageError(msg) from error
        built: Agent = module.build(config, row, seeds, device=device)
        return built


def agent(name: str) -> AgentEntry:
    """The agent of that name.

    Raises:
        UnknownName: there is none.
        BrokenPlugin: another package adds it, and it cannot be used.
    """
    known = (*AGENTS, *plugins.points("agents"))
    if name not in known:
        raise UnknownName("agent", name, known, hint=f"There are: {', '.join(known)}.")
    return _agent(name)


def agents() -> Mapping[str, AgentEntry]:
    """Every agent, ours first."""
    ours = {name: agent(name) for name in AGENTS}
    return {**ours, **plugins.usable(plugins.new("agents", ours), agent)}


@functools.cache
def _agent(name: str) -> AgentEntry:
    if name in AGENTS:
        return _entry(name, importlib.import_module(f"tdmpc2_bench.baselines.{name}"))
    package: ModuleType = plugins.load("agents", name)
    try:
        return _entry(name, package, (plugins.distribution("agents", name),))
    except (ImportError, AttributeError) as error:
        raise plugins.broken("agents", name, f"{type(error).__name__}: {error}") from error


def _entry(name: str, package: ModuleType, distributions: tuple[str, ...] = ()) -> AgentEntry:
    config = importlib.import_module(f"{package.__name__}.config")
    return AgentEntry(
        name=name,
        revision=config.REVISION,
        config_type=config.CONFIG,
        presets={**config.PRESETS, **_added_presets(name, config)},
        default_preset=config.DEFAULT_PRESET,
        description=(package.__doc__ or "").strip().partition("\n")[0],
        package=package.__name__,
        distributions=(*distributions, *getattr(config, "DISTRIBUTIONS", ())),
        extra=getattr(config, "EXTRA", None),
        parameters=getattr(config, "parameters", None),
    )


def _added_presets(name: str, config: ModuleType) -> dict[str, AgentConfig]:
    """What other packages add to an agent's presets: entry points named "AGENT.PRESET"."""

    def take(point: str) -> AgentConfig:
        content = plugins.load("presets", point)
        if not isinstance(content, config.CONFIG):
            raise plugins.broken("presets", point, f"expected a {config.CONFIG.__name__}")
        preset: AgentConfig = content
        if point.partition(".")[2] in config.PRESETS:
            raise plugins.broken("presets", point, f"{name} has a preset of that name")
        return preset

    for point in plugins.points("presets"):
        if "." not in point:
            reason = "expected a name like tdmpc2.small, agent and preset"
            plugins.warn(str(plugins.broken("presets", point, reason)))
    points = [point for point in plugins.points("presets") if point.partition(".")[0] == name]
    found = plugins.usable(points, take)
    return {point.partition(".")[2]: preset for point, preset in found.items()}
