"""Failures fall into the classes that decide whether a cell is tried again."""

import errno
import os
import signal
from pathlib import Path

import pytest

from tdmpc2_bench import failure, record
from tdmpc2_bench.celldir import AttemptDir
from tdmpc2_bench.errors import BenchError, DamagedFile, NotReproducible
from tdmpc2_bench.failure import Failure


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (OutOfMemoryError("CUDA"), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "infrastructure"),
        (OSError(errno.EIO, "Input/output error"), "infrastructure"),
        (ConnectionResetError("gone"), "infrastructure"),
        (TimeoutError("gone"), "infrastructure"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "code"),
        (RuntimeError("shapes do not fit"), "code"),
        (NotReproducible("other observations"), "code"),
        (DamagedFile("cut short"), "code"),
    ],
)
def test_an_error_has_a_class(error: Exception, kind: str) -> None:
    assert failure.of(error).kind == kind


def test_what_an_error_was_raised_from_counts(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    worded = record.cannot_write(tmp_path / "x", full)
    assert failure.of(worded).kind == "code"
    worded.__cause__ = full
    found = failure.of(worded)
    assert found.kind == "infrastructure"
    assert found.reason.startswith("BenchError: cannot write")
    assert "No space left" in found.traceback


def test_a_ring_of_causes_ends() -> None:
    first, second = BenchError("first"), BenchError("second")
    first.__cause__, second.__cause__ = second, first
    assert failure.of(first).kind == "code"


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        (-signal.SIGKILL, "memory", "SIGKILL"),
        (-signal.SIGSEGV, "code", "crashed (SIGSEGV)"),
        (-signal.SIGABRT, "code", "crashed (SIGABRT)"),
        (-signal.SIGHUP, "infrastructure", "SIGHUP"),
        (7, "code", "exit code 7"),
        (0, "code", "exit code 0"),
    ],
)
def test_a_process_that_ends_without_a_word_has_a_class(code: int, kind: str, word: str) -> None:
    found = failure.of_exit(code)
    assert (found.kind, found.traceback) == (kind, "")
    assert word in found.reason


def test_the_first_word_stands(tmp_path: Path) -> None:
    attempt = AttemptDir(tmp_path, 1)
    assert failure.read(attempt) is None
    failure.write(attempt, Failure("code", "first", "trace"))
    failure.write(attempt, Failure("memory", "second"))
    assert failure.read(attempt) == Failure("code", "first", "trace")
