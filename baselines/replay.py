"""Experience of one lane: a ring of rows that never change, and samplers over its episodes.

An episode of T agent steps has T + 1 rows: the reset's observation, then one row per step with
the observation and the action and reward that led to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

Column = tuple[tuple[int, ...], DTypeLike]  # shape of one row, type


class Episode(NamedTuple):
    """A completed episode by the numbers of its rows."""

    start: int
    stop: int


class Replay:
    """A ring of the newest ``capacity`` rows of completed episodes.

    Rows are numbered from 0 in the order they were stored. The episode in progress is held in
    room of its own beside the capacity, so it neither is sampled nor displaces older rows before
    it is complete.
    """

    def __init__(self, capacity: int, longest_episode: int, columns: Mapping[str, Column]) -> None:
        """Reserve memory, touched only when used.

        Args:
            capacity: rows of completed episodes to keep.
            longest_episode: agent steps of the longest possible episode.
            columns: data columns by name; ``first`` and ``last`` are added.
        """
        self.capacity = capacity
        self.rows_written = 0
        self._size = capacity + longest_episode + 1
        flags: dict[str, Column] = {"first": ((), np.bool_), "last": ((), np.bool_)}
        self._columns = {
            name: np.empty((self._size, *shape), dtype)
            for name, (shape, dtype) in {**columns, **flags}.items()
        }
        self._episodes: deque[Episode] = deque()
        self._episode_start = 0
        self._starts: dict[int, NDArray[np.int64]] = {}  # by length, until an episode completes

    def append(self, *, first: bool, last: bool, **row: NDArray[Any] | float | bool) -> None:
        """Store one row; ``first`` begins an episode, ``last`` completes it."""
        place = self.rows_written % self._size
        for name, value in {**row, "first": first, "last": last}.items():
            self._columns[name][place] = value
        self.rows_written += 1
        self._mark(self.rows_written - 1)

    @property
    def oldest_row(self) -> int:
        """Number of the oldest row inside the capacity.

        Rows of an episode that was begun and given up count too: they take the place of others.
        """
        completed = self._episodes[-1].stop if self._episodes else 0
        return max(0, max(completed, self._episode_start) - self.capacity)

    def rows(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Copies of rows ``start <= number < stop``, by column."""
        place = np.arange(start, stop) % self._size
        return {name: column[place] for name, column in self._columns.items()}

    def load(self, segments: Iterable[Mapping[str, NDArray[Any]]], *, first_row: int) -> None:
        """Refill an empty replay with consecutive segments, the first starting at ``first_row``."""
        self.rows_written = self._episode_start = first_row
        for segment in segments:
            start = self.rows_written
            self.rows_written += len(segment["first"])
            place = np.arange(start, self.rows_written) % self._size
            for name, column in self._columns.items():
                column[place] = segment[name]
            for row in start + np.flatnonzero(segment["first"] | segment["last"]):
                self._mark(int(row))

    def _mark(self, row: int) -> None:
        """Note the episode that the stored ``row`` begins or completes, and what that displaces."""
        begins, completes = (self._columns[name][row % self._size] for name in ("first", "last"))
        if begins:
            self._episode_start = row
        if completes:
            self._episodes.append(Episode(self._episode_start, row + 1))
        if begins or completes:
            self._starts.clear()
            while self._episodes and self._episodes[0].stop <= self.oldest_row:
                self._episodes.popleft()

    def can_sample(self, length: int) -> bool:
        """Whether any completed episode holds ``length`` consecutive rows."""
        return len(self._startable(length)) > 0

    def sample(
        self, rng: np.random.Generator, batch_size: int, length: int
    ) -> dict[str, NDArray[Any]]:
        """Draw slices of consecutive rows inside one episode, with replacement.

        An episode is drawn uniformly among those long enough (a partly overwritten one counts
        with its remaining rows), then a start uniformly inside it; so the draw favours rows of
        short episodes, as in TD-MPC2's sampler, and too short episodes are skipped.

        Returns:
            Columns of shape (length, batch_size, ...).
        """
        starts = self._startable(length)
        low, high = starts[rng.integers(len(starts), size=batch_size)].T
        return self.slices(rng.integers(low, high), length)

    def slices(self, begin: NDArray[np.int64], length: int) -> dict[str, NDArray[Any]]:
        """Copies of ``length`` consecutive rows from each of the rows ``begin`` (batch,) on.

        Returns:
            Columns of shape (length, batch, ...).
        """
        place = (begin + np.arange(length)[:, None]) % self._size
        return {name: column[place] for name, column in self._columns.items()}

    def draw_steps(self, rng: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Draw single steps uniformly, with replacement; those of the episode in progress too.

        Returns:
            Numbers of the rows that they led to, shape (batch_size,).
        """
        low, high = self.oldest_row + 1, self.rows_written  # a step needs the row before it, too
        rows = rng.integers(low, high, size=batch_size)
        while (resets := self._columns["first"][rows % self._size]).any():
            rows[resets] = rng.integers(low, high, size=int(resets.sum()))
        return rows

    def steps(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The steps that led to rows: their columns, with ``obs`` before it and ``next_obs``.

        Returns:
            Columns of shape (len(rows), ...).
        """
        found = {name: column[rows % self._size] for name, column in self._columns.items()}
        before = self._columns["obs"][(rows - 1) % self._size]
        return {**found, "obs": before, "next_obs": found["obs"]}

    def _startable(self, length: int) -> NDArray[np.int64]:
        """Range of possible slice starts per episode that has one, shape (episodes, 2)."""
        if length not in self._starts:
            self._starts[length] = self._find_starts(length)
        return self._starts[length]

    def _find_starts(self, length: int) -> NDArray[np.int64]:
        bounds = np.array(self._episodes, dtype=np.int64).reshape(-1, 2)
        low = np.maximum(bounds[:, 0], self.oldest_row)
        high = bounds[:, 1] - length + 1
        return np.stack([low, high], axis=1)[high > low]
