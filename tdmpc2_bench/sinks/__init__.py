"""Where else curves can be looked at: TensorBoard, Weights & Biases, CSV tables.

A sink is fed from the cells' files: of a whole experiment (`sinks.export`), or of cells that are
being trained (`sinks.live`). Whoever trains knows nothing of it. What is shown of a cell is decided
in `sinks.curves`, the same for all sinks.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from tdmpc2_bench.errors import UnknownName, UsageError
from tdmpc2_bench.sinks.curves import Point, Source


class Curve(Protocol):
    """The place of one cell in a sink."""

    def write(self, point: Point) -> None:
        """Take in a point; the environment steps of one name increase from point to point."""

    def close(self) -> None:
        """Nothing more will come of this cell for now."""


# Opens the place of a cell. What stood there before, of this cell, is replaced.
Sink = Callable[[Source], Curve]

# Sink -> its module, and the library it needs, if any. A module has ``sink``, a context manager
# that takes the folder to write to and gives a Sink.
_SINKS = {
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "csv": ("table", None),
}
PARQUET = "parquet"  # no sink of curves: the long table of an experiment, see `export`
NAMES = (*_SINKS, PARQUET)


def check_available(name: str) -> None:
    """Make sure that a sink can be used here, without importing its library.

    Raises:
        UnknownName: there is none of that name.
        UsageError: its library is not installed; with what to do.
    """
    if name not in _SINKS:
        raise UnknownName("sink", name, NAMES, hint=f"There are: {', '.join(NAMES)}.")
    library = _SINKS[name][1]
    if library is not None and importlib.util.find_spec(library) is None:
        msg = f'{name} needs the library {library}; install: pip install "tdmpc2-bench[sinks]"'
        raise UsageError(msg)


def sink(name: str, out: Path, **options: Any) -> AbstractContextManager[Sink]:
    """The sink of that name; what it writes as a whole appears when it is left without an error.

    Args:
        name: one of NAMES, available here.
        out: folder to write to; made if it is missing.
        options: further ones of that sink.
    """
    module = importlib.import_module(f"{__name__}.{_SINKS[name][0]}")
    found: AbstractContextManager[Sink] = module.sink(out, **options)
    return found
