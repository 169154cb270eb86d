"""The reference of the command line, made of the commands themselves when the site is built.

Its place is the marker in ``cli.md``. A new command is in it without being written anywhere.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click

from tdmpc2_bench.cli import PROGRAM, cli

MARKER = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the reference in place of the marker; called by mkdocs for every page."""
    return markdown.replace(MARKER, reference()) if MARKER in markdown else markdown


def reference() -> str:
    """Every command with what `--help` says of it, as Markdown."""
    root = click.Context(cli, info_name=PROGRAM)
    return "\n\n".join(_group(cli, root, 2))


def _group(group: click.Group, ctx: click.Context, level: int) -> Iterator[str]:
    for name in group.list_commands(ctx):
        if command := group.get_command(ctx, name):
            yield from _command(command, click.Context(command, info_name=name, parent=ctx), level)


def _command(command: click.Command, ctx: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {ctx.command_path.removeprefix(f'{PROGRAM} ')}"
    yield f"```text\n{command.get_usage(ctx).removeprefix('Usage: ')}\n```"
    yield from map(_paragraph, inspect.cleandoc(command.help or "").split("\n\n"))
    yield from _options(command, ctx)
    if isinstance(command, click.Group):
        yield from _group(command, ctx, level + 1)


def _paragraph(text: str) -> str:
    r"""Markdown of one paragraph of a docstring; click leaves those alone that begin with \b."""
    verbatim = text.removeprefix("\b\n")
    return _escaped(text) if verbatim == text else f"```text\n{verbatim}\n```"


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """The table of options, if there are any but `--help`."""
    options = (one for one in command.params if isinstance(one, click.Option))
    records = filter(None, (option.get_help_record(ctx) for option in options))
    rows = [f"| `{names}` | {_escaped(text)} |" for names, text in records]
    if rows:
        yield "\n".join(["| option | what |", "|---|---|", *rows])


def _escaped(text: str) -> str:
    """Text in which only backticks mean anything in Markdown."""
    parts = text.split("`")
    parts[::2] = [
        re.sub(r"([\\*_\[\]|#])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]
    ]
    return "`".join(parts)
