"""`tdmpc2-bench completion`: the script that lets a shell complete words with the Tab key.

click supplies the scripts and answers them. Here they learn that a word may hold ``,``, ``=`` and
``:``, as lists, settings and patterns do. Which values there are, ``candidates`` knows.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
    split_arg_string,
)

from tdmpc2_bench.cli import COMPLETE, PROGRAM, cli

_BREAKS = frozenset("=:")  # bash makes words of their own of these


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that lets SHELL complete commands, options and their values with Tab.

    Put the line of your shell where it starts:

    \b
    eval "$(tdmpc2-bench completion bash)"     # ~/.bashrc
    eval "$(tdmpc2-bench completion zsh)"      # ~/.zshrc, after compinit
    tdmpc2-bench completion fish | source      # ~/.config/fish/config.fish
    """  # noqa: D301 - \b keeps click from joining the lines
    shell_complete(cli, {}, PROGRAM, COMPLETE, f"{shell}_source")


class _OptionsWithEquals(ShellComplete):
    """Completes the value in "--task=walker-w" and keeps what stands before it."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Choices for the word that is written as far as ``incomplete``."""
        option, equals, value = incomplete.partition("=")
        if not (equals and option.startswith("-")):
            return super().get_completions(args, incomplete)
        items = super().get_completions([*args, option], value)
        for item in items:
            item.value = f"{option}={item.value}"
        return items


@add_completion_class
class _Bash(_OptionsWithEquals, BashComplete):
    """Puts together again what bash has taken apart at "=" and ":"."""

    # No space after "horizon=", whose value is to follow.
    source_template = BashComplete.source_template.replace(
        "\n    return 0\n",
        "\n    [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace\n    return 0\n",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to complete, and of that one what is written."""
        position = int(os.environ["COMP_CWORD"])
        pieces = split_arg_string(os.environ["COMP_WORDS"])[: position + 1]
        pieces += [""] * (position + 1 - len(pieces))  # an empty word is lost on its way here
        *words, incomplete = _joined(pieces)
        # Bash puts its choice in place of the last piece only, and after a break.
        replaced = "" if _is_break(pieces[-1]) else pieces[-1]
        self._standing = len(incomplete) - len(replaced)
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Leave out of a choice what bash leaves standing."""
        return f"{item.type},{item.value[self._standing :]}"


@add_completion_class
class _Zsh(_OptionsWithEquals, ZshComplete):
    """Adds no space after "horizon=", whose value is to follow."""

    source_template = ZshComplete.source_template.replace(
        "compadd -U -V unsorted -a completions\n",
        "compadd -U -V unsorted -- ${completions:#*=}\n"
        "        compadd -U -V unsorted -S '' -- ${(M)completions:#*=}\n",
    )


@add_completion_class
class _Fish(_OptionsWithEquals, FishComplete):
    """Takes a choice as a whole, with the commas in it."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


def _joined(pieces: Sequence[str]) -> list[str]:
    """Whole words of what bash makes of them: "suite", ":", "dm" are one."""
    words = [pieces[0]]
    for before, piece in itertools.pairwise(pieces):
        if _is_break(piece) or (piece and _is_break(before)):
            words[-1] += piece
        else:
            words.append(piece)
    return words


def _is_break(piece: str) -> bool:
    return piece != "" and set(piece) <= _BREAKS
