"""Run TD-MPC2 and its baselines on 104 continuous-control tasks, with honest curves.

What the command line does, as Python calls: `tasks`, `setup`, `assets`, `download_assets`,
`examine`, `forecast`, `run`, `load_results`, `import_results`, `load_agent`, `compare`, `report`,
`export`. They are imported when first used, so that ``import tdmpc2_bench`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tdmpc2_bench.comparison import compare
    from tdmpc2_bench.cost import forecast
    from tdmpc2_bench.doctor.report import examine
    from tdmpc2_bench.download import download as download_assets
    from tdmpc2_bench.download import needed as assets
    from tdmpc2_bench.grid import Limits
    from tdmpc2_bench.importing import import_results
    from tdmpc2_bench.index import load as load_results
    from tdmpc2_bench.player import Player, load_agent
    from tdmpc2_bench.provision import setup
    from tdmpc2_bench.registry import select as tasks
    from tdmpc2_bench.reporting import report
    from tdmpc2_bench.sinks.export import export
    from tdmpc2_bench.train import run

__all__ = [
    "Limits",
    "Player",
    "assets",
    "compare",
    "download_assets",
    "examine",
    "export",
    "forecast",
    "import_results",
    "load_agent",
    "load_results",
    "report",
    "run",
    "setup",
    "tasks",
]

_HOMES = {
    "Limits": ("grid", "Limits"),
    "Player": ("player", "Player"),
    "assets": ("download", "needed"),
    "compare": ("comparison", "compare"),
    "download_assets": ("download", "download"),
    "examine": ("doctor.report", "examine"),
    "export": ("sinks.export", "export"),
    "forecast": ("cost", "forecast"),
    "import_results": ("importing", "import_results"),
    "load_agent": ("player", "load_agent"),
    "load_results": ("index", "load"),
    "report": ("reporting", "report"),
    "run": ("train", "run"),
    "setup": ("provision", "setup"),
    "tasks": ("registry", "select"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
