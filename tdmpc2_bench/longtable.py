"""The one table that all results become, ours and others': a row per cell, evaluation and mode.

Readers of cells, imports and published figures make it; analyses and figures take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tdmpc2_bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

# Column -> its pandas dtype. Steps are environment steps.
_DTYPES: Mapping[str, str] = {
    "agent": "object",
    "variant": "object",
    "task": "object",
    "suite": "object",
    "seed": "int64",
    "mode": "object",  # how the agent acted; "" where that is not known
    "headline": "bool",  # is it the agent's headline mode
    "env_step": "int64",
    "metric": "object",  # which of return and success is the task's headline
    "value": "float64",  # the metric as measured, mean over episodes
    "score": "float64",  # value / score_max of the task
    "return": "float64",
    "success": "float64",
    "gap": "float64",  # in the planner's rows: what planning adds to the policy's return
    "episodes": "int64",  # of the evaluation; 0 where that is not known
    "fingerprint": "object",  # of the protocol
    "revision": "int64",  # of the agent; 0 for others' results
    "status": "object",  # of the cell, a word of `status.WORDS`; others' results are "done"
    "marks": "object",  # in what way it is not the result of an undisturbed run; mostly ""
}
COLUMNS: tuple[str, ...] = tuple(_DTYPES)

# What a row need not say.
_DEFAULTS: Mapping[str, Any] = {
    "variant": "default",
    "mode": "",
    "headline": True,
    "score": float("nan"),
    "return": float("nan"),
    "success": float("nan"),
    "gap": float("nan"),
    "episodes": 0,
    "fingerprint": "",
    "revision": 0,
    "status": "done",
    "marks": "",
}


def empty() -> pd.DataFrame:
    """The table without a row."""
    return build([])


def build(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of ``rows``, in their order; None is not-a-number.

    Raises:
        UsageError: a column is unknown, or one that every row must have is missing.
    """
    import pandas as pd  # an extra; reading single cells does not need it

    return shape(pd.DataFrame([{**_DEFAULTS, **row} for row in rows]))


def shape(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with all columns, their order and dtypes; what a column need not say is filled in.

    Raises:
        UsageError: a column is unknown, or one that every row must have is missing.
    """
    unknown = [str(name) for name in frame.columns if name not in _DTYPES]
    needed = [name for name in COLUMNS if name not in _DEFAULTS]
    missing = [] if frame.empty else [name for name in needed if name not in frame.columns]
    if unknown or missing:
        msg = (
            f"the long table has the columns {', '.join(COLUMNS)}; "
            f"unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}"
        )
        raise UsageError(msg)
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in frame.columns}
    filled = frame.assign(**defaults).reindex(columns=[*COLUMNS])
    return filled.astype(dict(_DTYPES)).reset_index(drop=True)
