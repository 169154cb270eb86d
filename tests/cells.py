"""Cells trained in the test's own process: begun, stopped after a while, finished."""

from __future__ import annotations

from pathlib import Path

from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import Exit
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.runner import train


class StopAfter(StopRequest):
    """A request that comes when the runner has looked for it so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def requested(self) -> bool:
        self._looks -= 1
        return self._looks < 0


def finish(todo: Job) -> AttemptDir:
    """Train to the end; the attempt that holds the result."""
    assert train(todo, StopRequest()) == Exit.OK
    found = cell_of(todo).finished()
    assert found is not None
    return found


def cell_of(todo: Job) -> CellDir:
    return CellDir.of(Path(todo.root), todo.cell)


def results(attempt: AttemptDir) -> dict[str, bytes]:
    """What an undisturbed run and a resumed one must have in common, byte for byte."""
    return {path.name: path.read_bytes() for path in (attempt.evals_csv, attempt.weights)}
