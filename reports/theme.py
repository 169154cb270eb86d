"""How all figures look: colours per line, fonts, axes."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with colour-vision deficiency.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

RC: dict[Any, Any] = {  # Any, since matplotlib types its keys one by one
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.hashsalt": "tdmpc2-bench",  # equal data give equal files
}
# Without the date that matplotlib would write, for the same reason.
METADATA = {"svg": {"Date": None}, "png": {"Software": None}}


def step_unit(largest: int) -> tuple[int, str]:
    """What to divide environment steps by on an axis that ends at ``largest``, and its name."""
    return (1_000_000, "millions") if largest >= 1_000_000 else (1_000, "thousands")  # noqa: PLR2004


def colour(index: int) -> str:
    """Colour of the line number ``index``."""
    return _COLOURS[index % len(_COLOURS)]


def figure(width: float = 5.0, height: float = 3.4) -> Figure:
    """An empty figure, size in inches; no global matplotlib state is touched."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")
