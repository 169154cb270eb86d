"""How texts of others go into tables that a spreadsheet may open: as texts, whatever they say."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@")  # what spreadsheets take a text for that begins so


def cell(text: str) -> str:
    """A text as one line that cannot be taken for a formula."""
    line = " ".join(text.split())
    return f"'{line}" if line.startswith(_FORMULA) else line
