"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

_MINUTE = 60  # seconds
_WHOLE = 10  # from here on a size is told without decimals


def print_json(content: Any) -> None:  # any JSON value
    """Print one JSON document."""
    click.echo(json.dumps(content, indent=1, default=_plain))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under column headings, numbers to the right; never cut off.

    Plain text padded by hand: it must read the same in a pipe, and rich takes longer to import
    than everything else `ls` does.
    """
    cells = [list(columns), *([_text(value) for value in row] for row in rows)]
    numeric = [
        all(_is_number(row[i]) for row in cells[1:]) and len(cells) > 1 for i in range(len(columns))
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def duration(seconds: float) -> str:
    """A time as people say it: "3 h 05 min", "12 s"."""
    if seconds < _MINUTE:
        return f"{seconds:.2g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"


def size(count: float) -> str:
    """A number of bytes as people say it: "1.5 GiB"."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log2(max(count, 1)) // 10), len(units) - 1)
    value = count / 2 ** (10 * power)
    return f"{value:.0f} {units[power]}" if value >= _WHOLE else f"{value:.2g} {units[power]}"


def _is_number(text: str) -> bool:
    return text == "" or text.replace(",", "").replace(".", "").lstrip("-").isdigit()


def _text(value: Any) -> str:  # a table's cell
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (frozenset, tuple)):
        return " ".join(sorted(value))
    return str(value)


def _plain(value: Any) -> Any:  # called by json for what it does not know
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
