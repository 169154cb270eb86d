"""What the TD-MPC2 authors published: the curves and final figures of five agents, as data.

Facts from the result files of their repository, with their source (`source`), shipped with the
package so that a comparison needs no download. They were measured under the simulators of 2023:
their fingerprint is "published". `writing` makes the data files from tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdmpc2_bench import longtable, registry
from tdmpc2_bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

FINGERPRINT = "published"
AGENTS = ("tdmpc2", "sac", "dreamerv3", "tdmpc", "tdmpc2-pixels")
BUDGETS = ("100k", "250k", "500k", "1M", "2M", "4M", "last")
FOLDER = Path(__file__).parent
SEEDS, CURVES, SOURCE = "seeds.csv.gz", "curves.csv.gz", "source.json"  # files in `FOLDER`


def seeds() -> pd.DataFrame:
    """Per agent, task and seed the record nearest to each budget, as the long table.

    One more column, ``budget``, says which of `BUDGETS` a row answers: the record nearest to so
    many environment steps, at most 100,000 away, the lower one at a tie; "last" is the seed's last
    record. One record may answer several budgets and then has a row for each. There is no row
    where a seed has no record near. Of a step that a seed has twice, the mean.

    Raises:
        UsageError: pandas is not installed.
    """
    return as_long(read(FOLDER / SEEDS))


def curves() -> pd.DataFrame:
    """Per agent and task the curve over seeds, on a coarse grid of environment steps.

    Columns: suite, task, agent, metric, env_step, n_seeds (how many have a record there), mean,
    min, max (of the metric over seeds), and the same as scores: mean_score, min_score, max_score.
    All recorded steps up to 200,000, then a coarser grid and the last step.

    Raises:
        UsageError: pandas is not installed.
    """
    frame = read(FOLDER / CURVES)
    most = frame["task"].map(score_max())
    scores = {f"{name}_score": frame[name] / most for name in ("mean", "min", "max")}
    return frame.assign(**scores)


def source() -> dict[str, Any]:
    """Where the figures are from, and what is known of how they were measured."""
    content: dict[str, Any] = json.loads((FOLDER / SOURCE).read_text(encoding="utf-8"))
    return content


def score_max() -> dict[str, float]:
    """Per task of the benchmark the value of its metric that is a score of 1."""
    return {task.name: task.score_max for task in registry.tasks() if task.score_max is not None}


def as_long(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of the file of seeds as the long table, see `seeds`."""
    measured = {
        name: records["value"].where(records["metric"] == name) for name in ("return", "success")
    }
    score = records["value"] / records["task"].map(score_max())
    rows = records.drop(columns="budget").assign(**measured, score=score, fingerprint=FINGERPRINT)
    return longtable.shape(rows).assign(budget=records["budget"])


def read(path: Path) -> pd.DataFrame:
    """A table of plain CSV, packed or not; every number as it is written.

    Raises:
        UsageError: pandas is not installed, or the table cannot be read.
    """
    try:
        import pandas as pd  # an extra; nothing else of the harness needs it here
    except ModuleNotFoundError as error:
        msg = f'published figures need {error.name}; install: pip install "tdmpc2-bench[analysis]"'
        raise UsageError(msg) from error
    try:
        return pd.read_csv(path, float_precision="round_trip", keep_default_na=False)
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}"
        raise UsageError(msg) from error
