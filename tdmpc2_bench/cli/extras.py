"""What a command needs that is not installed, said with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tdmpc2_bench.errors import UsageError

# Extra of ours -> modules it brings.
_MODULES = {
    "analysis": {"pandas", "scipy", "pyarrow"},
    "report": {"pandas", "scipy", "pyarrow", "matplotlib", "jinja2"},
}


@contextmanager
def needed(command: str, extra: str) -> Iterator[None]:
    """Turn a missing module of an extra into a word about what to install.

    Raises:
        UsageError: one of the extra's modules is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _MODULES[extra]:
            raise
        msg = f'{command} needs {error.name}; install: pip install "tdmpc2-bench[{extra}]"'
        raise UsageError(msg) from error
