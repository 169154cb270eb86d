"""How all figures look: colours and names of agents, styles of lines, fonts, file formats."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from tdmpc2_bench.lines import Line
from tdmpc2_bench.sources import PUBLISHED

# Okabe and Ito's palette, distinguishable with colour-vision deficiency; yellow is too light for a
# thin line.
_BLUE, _ORANGE, _GREEN, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_AMBER, _SKY, _BLACK, _GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
_COLOURS = (_BLUE, _ORANGE, _GREEN, _PURPLE, _AMBER, _SKY, _BLACK, _GREY)
_AGENTS = {  # name -> what figures call it, and its colour wherever it appears
    "tdmpc2": ("TD-MPC2", _BLUE),
    "dreamerv3": ("DreamerV3", _ORANGE),
    "sac": ("SAC", _GREEN),
    "tdmpc": ("TD-MPC", _PURPLE),
    "tdmpc2-pixels": ("TD-MPC2 (pixels)", _SKY),
    "uniform": ("uniform", _GREY),
}
SUITES = {
    "dmcontrol": "DMControl",
    "dmcontrol-other": "DMControl, other",
    "dmcontrol-custom": "DMControl, custom",
    "dmcontrol-locomotion": "DMControl, dog and humanoid",
    "metaworld": "Meta-World",
    "maniskill2": "ManiSkill2",
    "myosuite": "MyoSuite",
    "all": "all tasks",
}
STATISTICS = {
    "iqm": "interquartile mean",
    "mean": "mean",
    "median": "median",
    "optimality_gap": "optimality gap",
    "auc": "area under the curve",
    "planning": "planner less policy",
}
SHADE = 0.18  # opacity of a band
LONGEST = 44  # characters of a line's name in a legend
_CAPTION_SIZE = 7  # points

RC: dict[Any, Any] = {  # Any, since matplotlib types its keys one by one
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "pdf.fonttype": 42,  # text that can be searched
    "svg.fonttype": "none",  # as text: smaller, and it can be searched
    "svg.hashsalt": "tdmpc2-bench",  # equal data give equal files
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}
# Without the date that matplotlib would write, for the same reason.
METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
}


@dataclass(frozen=True)
class Style:
    """How one line is drawn in every figure."""

    name: str  # for legends, at most `LONGEST` characters
    colour: str
    dash: Literal["-", "--"]  # matplotlib's linestyle


def styles(lines: Sequence[Line]) -> dict[str, Style]:
    """Styles by label. An agent keeps its colour; published figures of it are dashed beside ours.

    Of several lines of an agent, the published apart, the first has the agent's colour.
    """
    found: dict[str, Style] = {}
    spare, taken = _spare(lines), set()
    mixed = len({line.bands is None for line in lines}) > 1
    for line in lines:
        published = line.bands is not None
        name, colour = _AGENTS.get(line.agent, (line.agent, None))
        if colour is None or (line.agent, published) in taken:
            colour = spare[len(found) % len(spare)]
        taken.add((line.agent, published))
        further = line.label.removeprefix(line.agent)
        further = further if mixed else further.removesuffix(f" ({PUBLISHED})")
        name = shortened(name + further)
        found[line.label] = Style(name, colour, "--" if published and mixed else "-")
    return found


def _spare(lines: Sequence[Line]) -> list[str]:
    """Colours that no agent of these lines has a right to."""
    owned = {_AGENTS[line.agent][1] for line in lines if line.agent in _AGENTS}
    return [colour for colour in _COLOURS if colour not in owned] or [_BLACK]


def shortened(name: str, longest: int = LONGEST) -> str:
    """A name that fits where names stand."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def group_name(group: str) -> str:
    """What figures and tables call a group of tasks."""
    return SUITES.get(group, group)


def step_unit(largest: int) -> tuple[int, str]:
    """What to divide environment steps by on an axis that ends at ``largest``, and its name."""
    return (1_000_000, "millions") if largest >= 1_000_000 else (1_000, "thousands")  # noqa: PLR2004


def figure(width: float = 5.0, height: float = 3.4) -> Figure:
    """An empty figure, size in inches; no global matplotlib state is touched."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def caption(figure: Figure, text: str) -> None:
    """Write what a figure shows below it, in lines that fit its width."""
    width = int(figure.get_figwidth() * 72 / _CAPTION_SIZE / 0.56)  # of characters, on average
    lines = [textwrap.fill(part, width) for part in text.split("\n")]
    figure.supxlabel("\n".join(lines), fontsize=_CAPTION_SIZE, x=0.01, ha="left")


def pictures(figure: Figure) -> dict[str, bytes]:
    """The figure in every format, by the ending of a file's name."""
    found = {}
    with mpl.rc_context(RC):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # once is enough for all formats, and it takes a while
        for suffix, metadata in METADATA.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, metadata=metadata)
            found[suffix] = buffer.getvalue()
    return found
