"""The command line: one small module per command, each a thin coat on the library.

A command's module is imported only when the command runs, so that `--help` and `ls` stay quick.
"""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from tdmpc2_bench.errors import BenchError, Exit, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "tdmpc2-bench"
COMPLETE = "_TDMPC2_BENCH_COMPLETE"  # set by shells that ask how a word may go on; click's name

# Command -> what `--help` says of it. Its module bears the same name, with _ if Python reserves it.
_COMMANDS = {
    "ls": "List tasks, suites, agents or presets.",
    "doctor": "Check the installation and the machine, and try tasks.",
    "setup": "Build the interpreter of a suite that cannot live beside the others.",
    "assets": "Show, or fetch, what tasks need beside their simulators.",
    "plan": "Say what training will take: hours, disk, memory.",
    "profile": "Measure where an agent's time goes, beside its matrix products.",
    "run": "Train agents on tasks; the same command again continues what is missing.",
    "status": "Show how far an experiment's cells are.",
    "why": "Say why a cell is done, failed or stopped.",
    "eval": "Evaluate a trained agent, and film it.",
    "import": "Take in others' results: the authors' folder, CSV curves, tables of scores.",
    "report": "Draw figures and write tables of results.",
    "compare": "Compare results with others, or with the published ones.",
    "export": "Show an experiment's curves in TensorBoard, Weights & Biases or tables.",
    "completion": "Print a script for completion with the Tab key.",
}


class _Commands(click.Group):
    """Finds commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        suffix = "_" if keyword.iskeyword(cmd_name) else ""
        module = importlib.import_module(f"tdmpc2_bench.cli.{cmd_name}{suffix}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        options = click.Command.shell_complete(self, ctx, incomplete)
        names = (name for name in _COMMANDS if name.startswith(incomplete))
        return [*(CompletionItem(name, help=_COMMANDS[name]) for name in names), *options]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tdmpc2-bench")
def cli() -> None:
    """Train TD-MPC2 and its baselines on 104 continuous-control tasks, with honest curves.

    Exit codes: 0 all well, 1 wrong usage, 2 some cells failed or something is broken, 3 interrupted
    (run again to go on).
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(call(arguments))


def call(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are printed, not raised."""
    if COMPLETE in os.environ:
        importlib.import_module("tdmpc2_bench.cli.completion")  # tells click of our shells
    try:
        result: Any = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.Abort:
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except UsageError as error:
        click.echo(f"Error: {error}", err=True)
        return Exit.USAGE
    except BenchError as error:
        click.echo(f"Error: {error}", err=True)
        return Exit.FAILED
    return result if isinstance(result, int) else 0
