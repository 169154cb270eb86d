"""Processes seen from outside."""

import time
from collections.abc import Iterable

import psutil


def is_gone(pid: int) -> bool:
    """Whether a process has ended; whoever inherited it need not have noticed yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def end_soon(pids: Iterable[int]) -> bool:
    """Whether processes end within a moment, though nobody waits for them."""
    deadline = time.monotonic() + 20
    while not (ended := all(map(is_gone, pids))) and time.monotonic() < deadline:
        time.sleep(0.02)
    return ended
