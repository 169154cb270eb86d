"""Processes seen from outside."""

import psutil


def is_gone(pid: int) -> bool:
    """Whether a process has ended; whoever inherited it need not have noticed yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
