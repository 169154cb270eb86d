"""The project's pages: README, CONTRIBUTING and all of docs/, and what can be tried on them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
}
# A command as it is typed, and in $(...).
_COMMAND = re.compile(r"(?:^|\$ |\$\(|\.venv/bin/)(?:tdmpc2-bench|tox run -e bench --) ([^)|]+)")


def commands(page: str) -> list[list[str]]:
    """Arguments of every `tdmpc2-bench` on a page, in blocks of code and in running text."""
    text = PAGES[page].replace("\\\n", " ")
    found = (match[1] for line in _code(text) for match in _COMMAND.finditer(line))
    return [shlex.split(one, comments=True) for one in found]


def console(page: str) -> list[tuple[list[str], list[str]]]:
    """Arguments of every command typed in a page's console blocks, and the lines shown below it."""
    text = PAGES[page].replace("\\\n", " ")
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    typed = [part for block in blocks for part in block.split("$ tdmpc2-bench ")[1:]]
    lines = [part.splitlines() for part in typed]
    return [(shlex.split(command, comments=True), shown) for command, *shown in lines]


def files(page: str, kind: str) -> dict[str, str]:
    """Files that a page spells out in blocks of ``kind``; their first line is "# " and a name."""
    blocks = re.findall(
        rf"^```{kind}\n(# (\S+\.\w+)\n.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL
    )
    return {name: content for content, name in blocks}


def _code(text: str) -> Iterator[str]:
    """Lines of blocks, and what stands between backticks elsewhere."""
    fenced, prose = False, []
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            prose.append(line)
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", "\n".join(prose)))
