"""Making the shipped data files from the tables of published figures, once these are checked.

`python -P -m tdmpc2_bench.published TABLES` does it. TABLES is a folder with published_seeds.csv
(suite, task, algorithm, metric, seed, budget, env_step, score), published_curves.csv (suite, task,
algorithm, metric, env_step, n_seeds, mean, min, max), both in the metric's own units, and
published_aggregate.csv, which the first must come to.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import published, record, registry
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.published.aggregates import STATISTICS, aggregates

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-3  # of a score, between the table of aggregates and what is found
_AGGREGATE = "published_aggregate.csv"
_TABLES = ("published_seeds.csv", "published_curves.csv", _AGGREGATE)

_SEEDS_COLUMNS = ("suite", "task", "agent", "metric", "seed", "budget", "env_step", "value")
_CURVES_COLUMNS = (
    "suite", "task", "agent", "metric", "env_step", "n_seeds", "mean", "min", "max"
)  # fmt: skip
_AGGREGATE_COLUMNS = ("group", "agent", "budget", "n_tasks", "n_runs", *STATISTICS)

_SOURCE: dict[str, Any] = {
    "repository": "https://github.com/nicklashansen/tdmpc2",
    "folder": "results/{tdmpc2,sac,dreamerv3,tdmpc,tdmpc2-pixels}/<task>.csv",
    "paper": "TD-MPC2: Scalable, Robust World Models for Continuous Control, arXiv 2310.16828",
    "added": {"tdmpc2": "2023-10-25", "others": "2024-08-30", "extended": "2024-10-06"},
    "steps": "environment steps (agent steps x action repeat)",
    "values": "return of an episode (DMControl) or success at the last step (all others)",
    "episodes": "success of tdmpc2, sac and tdmpc is a multiple of 0.1, as of 10 episodes",
    "dreamerv3": "training returns, irregularly spaced; its success has other granularity",
    "simulators": "of 2023, among them Meta-World V2 and MuJoCo 2.1",
    "names": "of tasks as today: myo-reach, where the files say myo-hand-reach",
    "duplicates": "of a step that a seed has twice, the mean (tdmpc: 22 files)",
}


def write(tables: Path, folder: Path = published.FOLDER) -> list[Path]:
    """Write the data files.

    Args:
        tables: the folder of the three tables.
        folder: where the data files go.

    Returns:
        The files written.

    Raises:
        UsageError: a table is missing, says what cannot be, or contradicts another.
        BenchError: the folder cannot be written.
    """
    seeds = _table(tables / "published_seeds.csv", {"score": "value"}, _SEEDS_COLUMNS)
    curves = _table(tables / "published_curves.csv", {}, _CURVES_COLUMNS)
    _check_rows(seeds, ("value",), "published_seeds.csv")
    _check_rows(curves, ("mean", "min", "max"), "published_curves.csv")
    _check_aggregates(seeds, _table(tables / _AGGREGATE, {}, _AGGREGATE_COLUMNS))
    hashes = {name: hashlib.sha256((tables / name).read_bytes()).hexdigest() for name in _TABLES}
    for name, table in {published.SEEDS: seeds, published.CURVES: curves}.items():
        text = table.to_csv(index=False, lineterminator="\n")
        record.write_file(folder / name, gzip.compress(text.encode(), mtime=0))
    record.write_json(folder / published.SOURCE, {**_SOURCE, "tables": hashes})
    return [folder / name for name in (published.SEEDS, published.CURVES, published.SOURCE)]


def differences(seeds: pd.DataFrame, aggregate: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of aggregates that per-seed figures do not come to, and those it lacks.

    Args:
        seeds: as `published.seeds` returns them.
        aggregate: columns as `aggregates.aggregates` returns them.
    """
    keys = ["group", "agent", "budget"]
    both = aggregate.merge(aggregates(seeds), on=keys, how="outer", suffixes=("", "_found"))
    apart = both["n_tasks"].ne(both["n_tasks_found"]) | both["n_runs"].ne(both["n_runs_found"])
    for name in STATISTICS:
        apart |= ~((both[name] - both[f"{name}_found"]).abs() <= TOLERANCE)
    return both[apart]


def _table(path: Path, renamed: dict[str, str], columns: tuple[str, ...]) -> pd.DataFrame:
    """A table with our names of its columns."""
    table = published.read(path).rename(columns={"algorithm": "agent", **renamed})
    if tuple(table.columns) != columns:
        msg = f"{path}: expected the columns {', '.join(columns)}, got {', '.join(table.columns)}"
        raise UsageError(msg)
    return table


def _check_rows(table: pd.DataFrame, values: tuple[str, ...], name: str) -> None:
    """Make sure that rows are of the benchmark and their values possible."""
    known = {(one.suite, one.name, one.metric): one.score_max for one in registry.tasks()}
    rows = zip(table["suite"], table["task"], table["metric"], strict=True)
    most = [known.get(row) or float("nan") for row in rows]  # to which nothing compares
    inside = table[[*values]].ge(0).all(axis=1) & table[[*values]].le(most, axis=0).all(axis=1)
    wrong = table[~(inside & table["agent"].isin(published.AGENTS))]
    if not wrong.empty:
        msg = (
            f"{name}: {len(wrong)} rows cannot be of the benchmark, first {wrong.iloc[0].to_dict()}"
        )
        raise UsageError(msg)


def _check_aggregates(seeds: pd.DataFrame, aggregate: pd.DataFrame) -> None:
    apart = differences(published.as_long(seeds), aggregate)
    if not apart.empty:
        msg = (
            f"{_AGGREGATE}: {len(apart)} rows are not what published_seeds.csv comes to, "
            f"first {apart.iloc[0].to_dict()}"
        )
        raise UsageError(msg)
