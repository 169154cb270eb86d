"""The process of an env worker: a keeper and, as its child, the one that steps environments.

``python -I -m tdmpc2_bench.worker REQUESTS ANSWERS`` takes requests from one file descriptor and
answers on the other. The pipe of requests is also the line its life hangs by: when nobody holds its
other end any more, because whoever started the worker closed it or is gone, the keeper ends the
worker with all processes it has started, even one that hangs. The keeper ends as the worker did.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import threading
from types import FrameType

# Sent to every process of a job by batch systems. Whoever started us decides what follows; he may
# want to evaluate or save first.
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main(requests: int, answers: int) -> None:
    """Keep a worker, or be one."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _take_no_notice)  # unlike SIG_IGN not inherited by other programs
    worker = os.fork()  # before anything is imported that starts threads or takes room
    if worker == 0:
        os.setpgid(0, 0)
        from tdmpc2_bench.worker import serve

        serve.serve(requests, answers)
        os._exit(0)  # simulators may hang or crash while the interpreter shuts down
    os.close(answers)  # or nobody would notice that the worker has closed them
    threading.Thread(target=_end_when_hung_up, args=(requests, worker), daemon=True).start()
    _, status = os.waitpid(worker, 0)
    _end(worker)  # what it has started
    _end_as(os.waitstatus_to_exitcode(status))


def _end_when_hung_up(requests: int, worker: int) -> None:
    poll = select.poll()
    poll.register(requests, 0)  # the end is told of unasked; what there is to read is not ours
    poll.poll()
    _end(worker)


def _end(worker: int) -> None:
    """End all processes of the worker's group."""
    with contextlib.suppress(ProcessLookupError):  # all have ended
        os.killpg(worker, signal.SIGKILL)


def _end_as(code: int) -> None:
    """Leave with an exit code or, where it is negative, by the signal of that number."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the worker has left its own
        with contextlib.suppress(OSError):  # SIGKILL cannot be set
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _take_no_notice(number: int, frame: FrameType | None) -> None:
    del number, frame


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
