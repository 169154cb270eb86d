"""`tdmpc2-bench profile`: where an agent's time goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tdmpc2_bench.cli import candidates
from tdmpc2_bench.cli.output import print_json, print_table, size
from tdmpc2_bench.cli.selection import device_option, parse_settings, threads_option

_MEASURED = ("act", "update")  # with spread, floor and shares
_FURTHER = {
    "env_step_ms": "environment, an agent step",
    "sample_ms": "draw a batch",
    "log_ms": "log an episode",
    "evaluate_ms": "evaluate, an agent step in all modes",
}


@click.command()
@click.option("--task", required=True, shell_complete=candidates.one_of(candidates.tasks), metavar="NAME", help="The task whose sizes and simulator count.")  # fmt: skip # noqa: E501
@click.option("--agent", default="tdmpc2", show_default=True, shell_complete=candidates.one_of(candidates.agents), metavar="NAME", help="The agent.")  # fmt: skip # noqa: E501
@click.option("--preset", metavar="NAME", help="Full settings to start from, see `ls presets`.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE,..", help="Change settings of the agent, for instance size=1.")  # fmt: skip # noqa: E501
@click.option("--eval-episodes", metavar="COUNT", help="Episodes per evaluation and mode.  [default: 10]")  # fmt: skip # noqa: E501
@device_option
@threads_option
@click.option("--lanes", type=int, default=1, show_default=True, help="Seeds trained side by side in one process.")  # fmt: skip # noqa: E501
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(  # noqa: PLR0913 - a command's options are its parameters
    *,
    task: str,
    agent: str,
    preset: str | None,
    settings: tuple[str, ...],
    eval_episodes: str | None,
    device: str,
    threads: int,
    lanes: int,
    as_json: bool,
) -> None:
    """Measure what acting, learning and stepping cost here, beside their matrix products.

    The floor is the time of the products alone, each by the fastest kernel that this process has
    for it; the ratio says how near the agent comes to it. `plan` knows what was measured.
    """
    from tdmpc2_bench.profiling import profile  # `--help` needs none of it

    described = {
        "tasks": task,
        "agents": agent,
        "preset": preset,
        "set": parse_settings(settings) or None,
        "eval_episodes": eval_episodes,
    }
    found = profile(described, device=device, threads=threads, lanes=lanes)
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: Mapping[str, Any]) -> None:
    click.echo(
        f"{found['agent']}/{found['variant']} on {found['task']}, {found['device']}, "
        f"threads: {found['threads']}, lanes: {found['lanes']}"
    )
    columns = ("ms", "ms_least", "ms_most", "floor_ms", "ratio")
    rows = [(name, *(found[f"{name}_{column}"] for column in columns)) for name in _MEASURED]
    rows += [(what, found[key], None, None, None, None) for key, what in _FURTHER.items()]
    print_table(("what", "ms", "least", "most", "floor", "ratio"), rows)
    for name in _MEASURED:
        shares = found[f"{name}_shares"]
        if shares:
            parts = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items())
            click.echo(f"{name}: {parts}")
    if found["kernels"]:
        click.echo(f"kernels of learning and acting: {found['kernels']}")
    click.echo(
        f"{found['agent_steps_per_s']:.3g} agent steps/s with {found['updates_per_step']:.2g} "
        f"updates each, {size(found['memory'])} of memory"
    )
