"""What was measured on this machine: kept in the user's cache, by name of what it is about.

What is kept stands under a key of all that it depends on (processor, versions, settings), so
nothing has to be thrown away when one of them changes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tdmpc2_bench import protocol, record
from tdmpc2_bench.errors import BenchError, DamagedFile

_SCHEMA = 2  # of the files
_LOGGER = logging.getLogger(__name__)


class Cache:
    """Measurements of one kind, a JSON file."""

    def __init__(self, name: str) -> None:
        """Keep them in the file ``name``.json."""
        self._name = name

    @property
    def path(self) -> Path:
        """The file; it need not be there."""
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base) / "tdmpc2-bench" / f"{self._name}.json"

    def read(self) -> dict[str, Any]:
        """What is kept, by key; nothing if there is no file, or none that can be read."""
        try:
            content = record.read_json(self.path)
        except DamagedFile:
            return {}
        measured = content.get("measured")
        return measured if content.get("schema") == _SCHEMA and isinstance(measured, dict) else {}

    def known(self, key: str, measure: Callable[[], Any]) -> Any:
        """The answer under ``key``; measured and kept where there is none yet."""
        known = self.read()
        if key not in known:
            measured = measure()
            known = self.read()  # another process may have been quicker: all take the same answer
            if key not in known:
                self.keep({key: measured})
                return measured
        return known[key]

    def keep(self, answers: Mapping[str, Any]) -> None:
        """Keep answers for the next time; where that cannot be, they are good for this time."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = {"schema": _SCHEMA, "measured": {**self.read(), **answers}}
            record.write_json(self.path, content)
        except (OSError, BenchError) as error:
            _warn(f"Warning: measured {self._name} are not kept: {error}")


class Keys:
    """Makes the keys of what was measured on this machine, with the versions installed now."""

    def __init__(self) -> None:
        self._conditions = [
            protocol.processor(),
            os.cpu_count(),
            protocol.versions(["tdmpc2-bench"]),
            protocol.learning_versions(),
        ]

    def of(self, **about: Any) -> str:  # whatever JSON can hold
        """The key of what was measured ``about`` something."""
        text = json.dumps([self._conditions, about], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _warn(message: str) -> None:
    """Say it once."""
    _LOGGER.warning(message)
