"""Which code decides what an environment does, as a hash that two installations can compare."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

_MODULES = ("asset", "env", "errors", "seeding", "task")
_PACKAGES = ("suites", "worker")
_SUFFIXES = {".py", ".xml"}


@functools.cache
def digest() -> str:
    """A short hash of that code, wherever and however it is installed."""
    total = hashlib.sha256()
    for name, path in _files():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{name} {content}\n".encode())
    return total.hexdigest()[:16]


def _files() -> Iterator[tuple[str, Path]]:
    """Files by a name that does not depend on where they lie, in a fixed order."""
    for module in _MODULES:
        yield module, _origin(module)
    for package in _PACKAGES:
        folder = _origin(package).parent
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
        for name in sorted(found):
            if found[name].suffix in _SUFFIXES:
                yield f"{package}/{name}", found[name]


def _origin(name: str) -> Path:
    # Asked of the import system: the folders of a checkout lie elsewhere than those of a wheel.
    spec = importlib.util.find_spec(f"tdmpc2_bench.{name}")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - they are our own
    return Path(spec.origin)
