"""Whether tasks can be played here: each is tried in a child process that may crash or hang."""

from __future__ import annotations

import itertools
import json
from collections.abc import Generator, Iterable, Sequence

from tdmpc2_bench import registry
from tdmpc2_bench.child import THREAD_VARIABLES, Child, module
from tdmpc2_bench.doctor import trial
from tdmpc2_bench.doctor.trial import Trial
from tdmpc2_bench.errors import SuiteUnavailable
from tdmpc2_bench.task import Task

COMMAND = module("tdmpc2_bench.doctor.trial")
_SECONDS = 0.25  # of stepping per task
_PATIENCE = 120.0  # seconds one task may take in all, the simulator's first import included


def trials(
    tasks: Iterable[Task],
    *,
    seconds: float = _SECONDS,
    patience: float = _PATIENCE,
    command: Sequence[str] = COMMAND,
) -> Generator[tuple[str, Trial], None, None]:
    """Try tasks one after the other.

    A suite's tasks share a process. If it dies or falls silent, the task in progress is broken and
    the others go on in a new one.

    Args:
        tasks: what to try, suite by suite.
        seconds: how long each is stepped.
        patience: seconds without an answer after which a task counts as hanging.
        command: the process to start; takes the seconds and the tasks' names.

    Yields:
        Each task's name and how it fared.
    """
    for name, rows in itertools.groupby(tasks, key=lambda task: task.suite):
        waiting = [task.name for task in rows]
        try:
            registry.check_available(name)
        except SuiteUnavailable as error:
            yield from ((task, Trial(status="missing", reason=str(error))) for task in waiting)
            continue
        while waiting:
            yield from _until_one_breaks(waiting, seconds, patience, command)


def _until_one_breaks(
    waiting: list[str], seconds: float, patience: float, command: Sequence[str]
) -> Generator[tuple[str, Trial], None, None]:
    """Try tasks in one process, taking them from ``waiting``, until all are done or it ends."""
    environment = dict.fromkeys(THREAD_VARIABLES, "1")  # as `run` steps them
    with Child([*command, str(seconds), *waiting], environment) as child:
        while waiting:
            answer = child.read_line(patience)
            name = waiting.pop(0)
            if answer is None:
                reason = child.ending(after=trial.heading(name))
                yield name, Trial(status="broken", reason=reason)
                return
            yield name, Trial(**json.loads(answer))
