"""Whether results that are to bear the fingerprint of the published ones are these."""

from __future__ import annotations

from collections.abc import Sequence

from tdmpc2_bench import published
from tdmpc2_bench.importing.findings import Findings
from tdmpc2_bench.importing.records import Record

_TOLERANCE = 1e-3  # of the metric: published figures are rounded to four decimals
_ADVICE = "leave --fingerprint away: results of their own are kept apart from the published ones"


def check(records: Sequence[Record], findings: Findings) -> None:
    """Refuse the fingerprint "published" to anything but the published results.

    Of every seed all figures that ship with the package must be among the records, and equal.

    Args:
        records: in order, one per seed and step.
        findings: what differs is added to these.
    """
    figures = published.seeds()[["agent", "task", "seed", "env_step", "value"]]
    expected: dict[tuple[str, str, int], dict[int, float]] = {
        (agent, task, seed): {} for agent, task, seed, *_ in figures.itertuples(index=False)
    }
    for agent, task, seed, step, value in figures.itertuples(index=False):
        expected[agent, task, seed][step] = value
    values = {(*_whose(one), one.env_step): one.value for one in records}
    for whose, record in {_whose(one): one for one in records}.items():
        wanted = expected.get(whose, {})
        apart = [
            step
            for step, value in wanted.items()
            if not abs(values.get((*whose, step), float("inf")) - value) <= _TOLERANCE
        ]
        if apart or not wanted or record.curve.variant != "default":
            where = f" at step {apart[0]:,}" if apart else ""
            message = (
                f"{whose[0]} {whose[1]} seed {whose[2]} differs from what was published{where}"
            )
            findings.refuse("not the published figures", f"{message}; {_ADVICE}", file=record.file)


def _whose(record: Record) -> tuple[str, str, int]:
    return record.curve.agent, record.curve.task, record.seed
