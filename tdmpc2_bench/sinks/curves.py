"""What there is to show of a cell: its logs as points over environment steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tdmpc2_bench import manifest, ownership
from tdmpc2_bench.celldir import AttemptDir, Cell, CellDir
from tdmpc2_bench.results import mean, planning_gap

Row = Mapping[str, Any]  # a line of a log

# Of a training episode: where it stands, which is no curve.
_PLACE = {"v", "seq", "env_step", "agent_step", "updates", "episode", "time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The cell that points come from."""

    cell: Cell
    experiment: str  # name of its folder
    identity: Mapping[str, Any]  # its run.json
    attempt: int  # the one that its curves lead up to
    key: str  # the same for all attempts of the cell, and of no other cell
    began: float  # seconds since the epoch

    @classmethod
    def of(cls, cell: CellDir, attempt: AttemptDir, *, began: float) -> Source:
        """The cell, with what it says of itself.

        Raises:
            DamagedFile: that cannot be read.
        """
        return cls(
            cell=cell.cell,
            experiment=cell.path.resolve().parents[3].name,
            identity=manifest.read(cell),
            attempt=attempt.number,
            key=ownership.read_start(cell.attempts()[0])["nonce"],
            began=began,
        )


class Point(NamedTuple):
    """A line of a log, as numbers at an environment step."""

    log: Literal["evals", "train"]
    row: Row
    env_step: int
    scalars: Mapping[str, float]  # by names like "train/return", "eval/plan/success"; all finite
    seconds: float  # when, since the epoch


class Curves:
    """Makes points of one cell's lines, in the order in which they were written.

    An evaluation bears no time, so that equal runs give equal bytes; its point gets that of the
    training episode before it.
    """

    def __init__(self, began: float) -> None:
        """Start before the first line.

        Args:
            began: when the cell was begun, seconds since the epoch.
        """
        self._seconds = began  # of the last line that has a time
        self._headline: str | None = None  # the agent's headline mode, which is told first
        self._evaluated: int | None = None  # environment step of the last evaluation
        self._returns: dict[str, float | None] = {}  # its mean return by mode, so far

    def points(self, *, evals: Sequence[Row], train: Sequence[Row]) -> Iterator[Point]:
        """Points of further lines of both logs, by environment step."""
        lines: list[tuple[Literal["evals", "train"], Row]] = []
        lines += [("train", row) for row in train]  # an episode that ends comes first
        lines += [("evals", row) for row in evals]
        for log, row in sorted(lines, key=lambda line: line[1]["env_step"]):
            scalars = self._evaluation(row) if log == "evals" else self._episode(row)
            yield Point(log, row, row["env_step"], scalars, self._seconds)

    def _episode(self, row: Row) -> dict[str, float]:
        self._seconds = row["time"]
        return {
            f"train/{name}": float(value)
            for name, value in row.items()
            if name not in _PLACE and isinstance(value, int | float)
        }

    def _evaluation(self, row: Row) -> dict[str, float]:
        """Return and success of one mode, again without its name if it is the headline; the gap."""
        mode = row["mode"]
        self._headline = self._headline or mode
        if row["env_step"] != self._evaluated:
            self._evaluated, self._returns = row["env_step"], {}
        known = planning_gap(self._returns)
        self._returns[mode] = mean(row["return"])
        values = {"return": self._returns[mode], "success": mean(row["success_last"])}
        places = [f"eval/{mode}", *(["eval"] if mode == self._headline else [])]
        scalars = {f"{place}/{name}": value for place in places for name, value in values.items()}
        if known is None:  # once, with the second of the two modes it is made of
            scalars["eval/gap"] = planning_gap(self._returns)
        return {name: value for name, value in scalars.items() if value is not None}
