"""Which suites have an interpreter of their own, and where it lies.

Simulators that cannot be installed beside the others live in an environment of their own, together
with this package; their tasks are stepped there by a worker (``tdmpc2_bench.worker``). Where it
lies is said by the variable TDMPC2_BENCH_<SUITE>, or was recorded in the user's data folder when it
was set up. Nothing here starts an interpreter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tdmpc2_bench.errors import DamagedFile, SuiteUnavailable, UsageError
from tdmpc2_bench.record import read_json, write_json

_SCHEMA = 1  # of a record


def data() -> Path:
    """The folder that this package keeps things in for its user: records, and what is set up."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "tdmpc2-bench"


def variable(suite: str) -> str:
    """The environment variable that names a suite's interpreter: TDMPC2_BENCH_MANISKILL2."""
    return f"TDMPC2_BENCH_{re.sub(r'[^A-Z0-9]', '_', suite.upper())}"


def find(suite: str) -> Path | None:
    """The Python executable of a suite's own interpreter; None where there is none.

    Raises:
        SuiteUnavailable: one is named, but there is no such executable.
    """
    named = os.environ.get(variable(suite))
    if named:
        return _executable(suite, named, f"{variable(suite)}={named}")
    file = _record(suite)
    if not file.exists():
        return None
    try:
        recorded = read_json(file).get("python")
        return _executable(suite, str(recorded), f"{file} names {recorded}")
    except (DamagedFile, SuiteUnavailable) as error:
        msg = f"{error}; set it up again, delete {file}, or name another with {variable(suite)}"
        raise SuiteUnavailable(msg) from error


def record(suite: str, python: str | Path) -> None:
    """Keep where the interpreter of a suite lies; replaces what was kept.

    Args:
        suite: name of the suite.
        python: its Python executable, or the folder of its virtual environment.

    Raises:
        UsageError: there is no such executable.
        BenchError: the user's data folder cannot be written.
    """
    executable = _executable(suite, python, str(python))
    file = _record(suite)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{file.parent} cannot be created ({error.strerror}); set XDG_DATA_HOME to a folder"
        raise UsageError(msg) from error
    write_json(file, {"schema": _SCHEMA, "suite": suite, "python": str(executable)})


def forget(suite: str, folder: Path) -> None:
    """Keep no longer where the interpreter of a suite lies, if it lies in ``folder``."""
    file = _record(suite)
    try:
        if file.exists() and Path(str(read_json(file).get("python"))).is_relative_to(folder):
            file.unlink()
    except DamagedFile:
        file.unlink()


def site_packages(python: Path) -> Sequence[str]:
    """Folders that hold what is installed in the environment of an executable.

    For ``protocol.versions``, which reads versions there without starting it. What a virtual
    environment takes over from the interpreter that it was made with does not count.
    """
    # Not resolved: a virtual environment's executable is a link to another interpreter's.
    return [str(found) for found in sorted(python.parent.parent.glob("lib/python3*/site-packages"))]


def _record(suite: str) -> Path:
    # A file for each, so that a damaged one is no other suite's business.
    return data() / "interpreters" / f"{suite}.json"


def _executable(suite: str, named: str | Path, source: str) -> Path:
    """The executable that ``named`` is, or that lies in the environment of that folder."""
    path = Path(named).expanduser().absolute()
    if path.is_dir():
        path = path / "bin" / "python"
    if not (path.is_file() and os.access(path, os.X_OK)):
        msg = (
            f"suite {suite!r} has no interpreter there: {source}; expected a Python executable or "
            "the folder of a virtual environment"
        )
        raise SuiteUnavailable(msg)
    return path
