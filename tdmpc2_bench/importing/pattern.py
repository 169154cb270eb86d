"""Names that spell several things: "walker-run__sac__1" by the pattern "{task}__{agent}__{seed}".

A part in braces stands for one or more characters, as few as fit; braces without a name for
something that does not matter.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from tdmpc2_bench.errors import UsageError

_PART = re.compile(r"\{(\w*)\}")
_LONGEST = 500  # characters of a name; a longer one fits nothing
_MOST_PARTS = 8


def names(text: str) -> list[str]:
    """The names in braces in a pattern.

    Raises:
        UsageError: a name twice, too many of them, or other braces.
    """
    found = _PART.findall(text)
    named = [name for name in found if name]
    wrong = len(named) != len(set(named)) or len(found) > _MOST_PARTS
    if wrong or set("{}") & set(_PART.sub("", text)):
        msg = (
            f"pattern {text!r}: expected text with at most {_MOST_PARTS} names in braces, each "
            'once, like "{task}_{seed}"'
        )
        raise UsageError(msg)
    return named


def match(pattern: str, text: str, *, within: str = ".") -> dict[str, str] | None:
    """What the names of a pattern stand for in a text; None where it does not fit.

    Args:
        pattern: as above.
        text: that is to fit it as a whole.
        within: regular expression of the characters that a part may have.
    """
    found = _compiled(pattern, within).fullmatch(text) if len(text) <= _LONGEST else None
    return None if found is None else found.groupdict()


def rename(renames: Mapping[str, str], name: str) -> str:
    """Our name for theirs, by the first rename that fits; theirs where none does.

    Args:
        renames: their names -> ours; "{}" in both stands for the same part of the name.
        name: theirs.
    """
    for theirs, ours in renames.items():
        if len(name) <= _LONGEST and (found := _compiled(theirs, ".").fullmatch(name)):
            return ours.replace("{}", found[1]) if found.groups() else ours
    return name


def check_rename(theirs: str, ours: str) -> None:
    """Make sure that a rename can be carried out.

    Raises:
        UsageError: it cannot.
    """
    parts = _PART.findall(theirs)
    if parts not in ([], [""]) or _PART.findall(ours) != parts or not ours:
        msg = f"rename {theirs}={ours}: expected two names, with {{}} once in both or in neither"
        raise UsageError(msg)


@functools.cache
def _compiled(pattern: str, within: str) -> re.Pattern[str]:
    parts = _PART.split(pattern)  # text, name, text, name, ..., text
    regexp = re.escape(parts[0])
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        regexp += f"(?P<{name}>{within}+?)" if name else f"({within}+?)"
        regexp += re.escape(text)
    return re.compile(regexp, re.DOTALL)
