"""Curves in TensorBoard while cells are trained: their logs followed as they grow.

The grid's process reads what its runners have written. Whatever goes wrong with that does not reach
them: after one warning it is off.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tdmpc2_bench import record, results, sinks
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.grid import Outcome, Watcher
from tdmpc2_bench.runner_process import RunnerProcess
from tdmpc2_bench.sinks.curves import Curves, Point, Source

_SINK = "tensorboard"
_SECONDS = 1.0  # between looks
_AT_ONCE = 500  # points of a cell per look, some 50 ms: the grid must not wait for a long history


def folder(root: str | Path) -> Path:
    """Where the curves of an experiment are written while it is trained."""
    return Path(root) / _SINK


@contextlib.contextmanager
def watcher(watch: Watcher, *, warn: Callable[[str], None]) -> Iterator[Watcher]:
    """A watcher for the grid that also shows what its runners write.

    Args:
        watch: another watcher, called first.
        warn: told why nothing more is shown, once, if it comes to that.
    """
    live = _Live(warn)

    def both(running: Sequence[RunnerProcess], outcome: Outcome) -> None:
        watch(running, outcome)
        live.look(running)

    try:
        yield both
    finally:
        live.end()


class _Live:
    """The runners that are followed, until something goes wrong."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._runners: dict[RunnerProcess, _Attempt | None] = {}  # None: writes nothing yet
        self._sinks: dict[str, sinks.Sink] = {}  # by the experiment's folder
        self._open = contextlib.ExitStack()
        self._next_look = 0.0  # on the monotonic clock
        self._over = False

    def look(self, running: Sequence[RunnerProcess]) -> None:
        """Show what is new; all of a runner that has ended."""
        self._try(lambda: self._look(running))

    def end(self) -> None:
        """Show what is left and follow nothing any more."""
        self._try(lambda: self._look(()))
        self._try(self._open.close)

    def _try(self, step: Callable[[], None]) -> None:
        """Do it, unless something went wrong before; whatever goes wrong does not get out."""
        if self._over:
            return
        try:
            step()
        except Exception as error:  # noqa: BLE001 - of any library, and training must go on
            self._over = True
            for attempt in self._runners.values():
                with contextlib.suppress(Exception):
                    if attempt is not None:
                        attempt.close()
            self._runners.clear()
            reason = f"{type(error).__name__}: {error}"
            self._warn(f"TensorBoard shows nothing more, training goes on. {reason}")

    def _look(self, running: Sequence[RunnerProcess]) -> None:
        for one in [one for one in self._runners if one not in running]:
            self._show(one)
            ended = self._runners.pop(one)
            if ended is not None:
                ended.close()
        due = time.monotonic() >= self._next_look
        for one in running:
            self._runners.setdefault(one, None)
            if due:
                self._show(one, most=_AT_ONCE)
        if due:
            self._next_look = time.monotonic() + _SECONDS

    def _show(self, one: RunnerProcess, *, most: int | None = None) -> None:
        shown = self._runners[one] = self._runners[one] or self._begin(one)
        if shown is not None:
            shown.show(most)

    def _begin(self, one: RunnerProcess) -> _Attempt | None:
        """Open the runner's attempt; None while it has not begun to write."""
        attempt = one.attempt
        if attempt is None:
            return None
        cell = CellDir.of(Path(one.job.root), one.cell)
        events = record.Tail(attempt.events).rows()
        events = [*results.inherited(cell, attempt, "events"), *events]
        if not events:
            return None
        source = Source.of(cell, attempt, began=events[0]["time"])
        return _Attempt(cell, attempt, source, self._sink(one.job.root))

    def _sink(self, root: str) -> sinks.Sink:
        if root not in self._sinks:
            self._sinks[root] = self._open.enter_context(sinks.sink(_SINK, folder(root)))
        return self._sinks[root]


class _Attempt:
    """An attempt that is being written: what led up to it first, then what it adds."""

    def __init__(
        self, cell: CellDir, attempt: AttemptDir, source: Source, sink: sinks.Sink
    ) -> None:
        self._evals, self._train = record.Tail(attempt.evals), record.Tail(attempt.train)
        self._curves = Curves(source.began)
        self._waiting: deque[Point] = deque(  # read, not shown yet
            self._curves.points(
                evals=results.inherited(cell, attempt, "evals"),
                train=results.inherited(cell, attempt, "train"),
            )
        )
        self._curve = sink(source)

    def show(self, most: int | None) -> None:
        """Show what is new, at most so many points of it."""
        new = self._curves.points(evals=self._evals.rows(), train=self._train.rows())
        self._waiting.extend(new)
        for _ in range(len(self._waiting) if most is None else min(most, len(self._waiting))):
            self._curve.write(self._waiting.popleft())

    def close(self) -> None:
        self._curve.close()
