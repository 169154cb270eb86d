"""Prioritised draws from a replay: sub-sequences that surprised the learner come more often.

Source: Schaul et al. 2015 (arXiv 1511.05952), the proportional variant, as TD-MPC uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.baselines.replay import Column, Replay

_LEAST = 1e-6  # added to every priority, so that none is never drawn again


class Rule(NamedTuple):
    """How sub-sequences are drawn."""

    length: int  # rows of one
    alpha: float  # exponent of priorities; 0: all are drawn alike
    beta: float  # exponent of importance weights


class Draw(NamedTuple):
    """Which sub-sequences were drawn."""

    rows: NDArray[np.int64]  # (batch,), number of each one's first row
    weights: NDArray[np.float32]  # (batch,), importance, the largest is 1


class PrioritisedReplay(Replay):
    """A replay whose sub-sequences have priorities, kept beside the rows, which never change.

    As in TD-MPC, the last H agent steps of an episode begin none, where H + 1 rows are a
    sub-sequence, though one more would fit in; but one does where the episode ended for good, which
    could not be learnt otherwise. A new episode gets the highest priority so far.
    """

    def __init__(
        self,
        capacity: int,
        longest_episode: int,
        columns: Mapping[str, Column],
        rule: Rule,
    ) -> None:
        """Reserve memory, touched only when used.

        Args:
            capacity: rows of completed episodes to keep.
            longest_episode: agent steps of the longest possible episode.
            columns: data columns by name.
            rule: how sub-sequences are drawn.
        """
        super().__init__(capacity, longest_episode, columns)
        self._rule = rule
        # priority^alpha of the sub-sequence that begins in a row's place; 0 where none does.
        self._mass = np.zeros(self._size, np.float32)
        self._oldest = 0  # row before which no mass is left

    def can_sample(self, length: int) -> bool:
        """Whether any completed episode holds ``length`` consecutive rows, and one more."""
        return super().can_sample(length + 1)

    def draw(self, rng: np.random.Generator, batch_size: int) -> Draw:
        """Draw sub-sequences with replacement, each with probability mass / sum of masses."""
        heap = np.cumsum(self._mass[: self.rows_written], dtype=np.float64)
        # A product with a number just below 1 may round up to the sum itself.
        height = np.minimum(rng.random(batch_size) * heap[-1], np.nextafter(heap[-1], 0.0))
        place = np.searchsorted(heap, height, side="right")
        newest = self.rows_written - 1
        mass = self._mass[place]
        return Draw(newest - (newest - place) % self._size, (mass.min() / mass) ** self._rule.beta)

    def reprioritise(self, rows: NDArray[np.int64], priorities: NDArray[np.float32]) -> None:
        """Give sub-sequences that begin in ``rows`` (batch,) new priorities (batch,)."""
        self._mass[rows % self._size] = (priorities + _LEAST) ** self._rule.alpha

    def masses(self) -> NDArray[np.float32]:
        """What a checkpoint holds beside the rows: the masses of all rows of kept episodes."""
        return self._mass[self._kept()]

    def load_masses(self, masses: NDArray[np.float32]) -> None:
        """Take over what `masses` returned, once the rows are there."""
        self._mass[:] = 0.0
        self._mass[self._kept()] = masses

    def load(self, segments: Iterable[Mapping[str, NDArray[Any]]], *, first_row: int) -> None:
        """Refill an empty replay with consecutive segments; all have one priority then."""
        self._oldest = first_row
        super().load(segments, first_row=first_row)

    def _kept(self) -> NDArray[np.int64]:
        """Places of the rows of completed episodes inside the capacity."""
        stop = self._episodes[-1].stop if self._episodes else 0
        return np.arange(self.oldest_row, stop) % self._size

    def _mark(self, row: int) -> None:
        super()._mark(row)
        self._forget()
        if self._columns["last"][row % self._size]:
            self._admit()

    def _forget(self) -> None:
        """Let no sub-sequence of rows that have gone be drawn."""
        self._mass[np.arange(self._oldest, self.oldest_row) % self._size] = 0.0
        self._oldest = max(self._oldest, self.oldest_row)

    def _admit(self) -> None:
        """Let sub-sequences of the newest episode be drawn."""
        highest = float(self._mass[: self.rows_written].max()) or 1.0
        episode = self._episodes[-1]
        ends = self._columns.get("terminated")  # a column where episodes may end for good
        ended = ends is not None and bool(ends[(episode.stop - 1) % self._size])
        begin = max(episode.start, self.oldest_row)
        stop = episode.stop - self._rule.length + ended
        self._mass[np.arange(begin, stop) % self._size] = highest
