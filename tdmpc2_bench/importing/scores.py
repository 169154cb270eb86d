"""Tables of final scores, as papers print them: one value per task at the end of training.

Long: a row per task (and seed, and agent), the value in a column. Wide: a row per task, a column
per agent. "987.1 ± 3.2" is read as 987.1. Without a column of seeds a value is the mean over them:
it gets the seed 0 and a mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.importing.description import Description
from tdmpc2_bench.importing.findings import Findings
from tdmpc2_bench.importing.mapping import columns_of
from tdmpc2_bench.importing.records import Records, Row
from tdmpc2_bench.importing.source import SourceFile, Unreadable, read, table


def load(source: Path, description: Description, records: Records) -> dict[str, SourceFile]:
    """Read a table of scores.

    Args:
        source: the file.
        description: at which step they were taken, which column is what.
        records: what is read is added to these.

    Returns:
        The file read, by its name.

    Raises:
        UsageError: it is a folder, or the step is not said.
    """
    if source.is_dir() or description.budget is None:
        msg = "a table of scores is one file, and --budget says at which step they were taken"
        raise UsageError(msg)
    said = {**description.constants, "env_step": str(description.budget)}
    try:
        file = read(source)
        records.add(_rows(file, said, description.columns, records.findings))
    except Unreadable as error:
        records.findings.refuse("unreadable", str(error), file=source.name, line=error.line)
        return {}
    return {file.name: file}


def _rows(
    file: SourceFile, said: Mapping[str, str], columns: Mapping[str, str], findings: Findings
) -> Iterator[Row]:
    content = table(file)
    at = columns_of(content, said, columns, findings)
    if "task" not in at:
        msg = "no column of tasks; say which it is with --column task=THEIRS"
        raise Unreadable(msg, 1)
    wide = "value" not in at
    agents = (
        {i: name for i, name in enumerate(content.columns) if i not in at.values()} if wide else {}
    )
    if not wide and "agent" not in {*at, *said}:
        msg = "no column of agents; say which with --column agent=THEIRS, or name it with --agent"
        raise Unreadable(msg, 1)
    if wide and ("agent" in {*at, *said} or not agents):
        msg = "no column of values; say which it is with --column value=THEIRS"
        raise Unreadable(msg, 1)
    for line, texts in content.rows:
        named = {**said, **{name: texts[index] for name, index in at.items()}}
        if not wide:
            yield Row(file.name, line, named)
        for index, agent in agents.items():
            yield Row(file.name, line, {**named, "agent": agent, "value": texts[index]})
