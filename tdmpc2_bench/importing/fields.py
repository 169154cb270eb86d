"""What the text of one field of a table means: a number, a step, a seed, a name.

Whatever stands there, reading takes no longer than it is long, and nothing is guessed: a number is
what looks like one in every program, a name keeps to letters that are harmless everywhere.
"""

from __future__ import annotations

import re

_LONGEST = 60  # characters of a number; no measurement needs more
_SHOWN = 60  # characters of a text that an error shows
_MOST_STEPS = 10**12
_MOST_SEED = 2**31 - 1
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_SPREAD = re.compile(r"(.*?)\s*(?:±|\+-|\+/-)\s*(\S+)")
_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
_VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=,-]{0,79}", re.ASCII)
_FINGERPRINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}", re.ASCII)


def number(text: str) -> float:
    """A number; it may be infinite or not-a-number.

    Raises:
        ValueError: it is none.
    """
    stripped = text.strip()
    if _NOT_FINITE.fullmatch(stripped):
        return float(stripped)
    if len(stripped) > _LONGEST or not _NUMBER.fullmatch(stripped):
        msg = f"expected a number like 123.4, got {shown(text)}"
        raise ValueError(msg)
    return float(stripped)


def without_spread(text: str) -> str:
    """The "987.1" of "987.1 ± 3.2"; any other text as it is."""
    match = _SPREAD.fullmatch(text.strip()) if len(text) <= 2 * _LONGEST else None
    return match[1] if match and _NUMBER.fullmatch(match[2]) else text


def step(text: str, scale: float = 1.0) -> int:
    """A number of environment steps, from a number in units of ``scale``.

    Raises:
        ValueError: it is none.
    """
    steps = number(text) * scale
    if not 0 <= steps <= _MOST_STEPS:  # nor NaN
        msg = f"expected a step from 0 to {_MOST_STEPS:,}, got {shown(text)}"
        raise ValueError(msg)
    if not steps.is_integer():
        of = f" x {scale:g}" if scale != 1 else ""
        msg = f"expected a whole number of environment steps, got {shown(text)}{of}"
        raise ValueError(msg)
    return int(steps)


def count(text: str, what: str) -> int:
    """A whole number from 0: a seed, a number of episodes.

    Raises:
        ValueError: it is none.
    """
    value = number(text)
    if not (0 <= value <= _MOST_SEED and value.is_integer()):
        msg = f"expected a {what} from 0 to {_MOST_SEED:,}, got {shown(text)}"
        raise ValueError(msg)
    return int(value)


def agent(text: str) -> str:
    """The name of an agent.

    Raises:
        ValueError: it has other letters than are allowed.
    """
    return _name(text, _AGENT, "an agent's name of letters, digits and . _ + -")


def variant(text: str) -> str:
    """The name of a variant.

    Raises:
        ValueError: it has other letters than are allowed.
    """
    return _name(text, _VARIANT, "a variant's name of letters, digits and . _ + - = ,")


def fingerprint(text: str) -> str:
    """The name of a fingerprint.

    Raises:
        ValueError: it has other letters than are allowed.
    """
    return _name(text, _FINGERPRINT, "a fingerprint of letters, digits and . _ : + -")


def shown(text: str) -> str:
    """A text as an error may show it: short, on one line, without control characters."""
    return ascii(cut(text))


def cut(text: str) -> str:
    """The beginning of a text that is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _name(text: str, allowed: re.Pattern[str], expected: str) -> str:
    stripped = text.strip()
    if not allowed.fullmatch(stripped):
        msg = f"expected {expected}, got {shown(text)}"
        raise ValueError(msg)
    return stripped
