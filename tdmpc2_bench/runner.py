"""One process training one cell: whose it is, where it continues, how it ends.

Run as ``python -m tdmpc2_bench.runner JOB`` by the grid, or called as `train`.
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tdmpc2_bench import checkpoint, done, manifest, ownership, plugins, registry
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import BenchError, CellBusy, DamagedFile, Exit, UsageError
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.session import Session

SCHEMA = 1  # of start.json


def train(
    job: Job, stop: StopRequest, *, on_claim: Callable[[AttemptDir], None] | None = None
) -> Exit:
    """Train a cell to its budget, continuing what is there.

    Args:
        job: what to train.
        stop: looked at between steps.
        on_claim: called once the cell is ours, before anything is built.

    Raises:
        CellBusy: another process works on the cell.
        ProtocolMismatch: the cell was begun under other conditions.
        BenchError: whatever else ends the cell as failed; recorded in its events.
    """
    task = registry.task(job.task)
    cell = CellDir.of(Path(job.root), job.cell)
    registry.check_available(task.suite)
    registry.check_assets(task)
    changed = manifest.write(job, task, cell)
    if _is_over(job):
        return Exit.OK
    attempts = cell.attempts()
    if attempts:
        ownership.wait_until_free(
            attempts[-1], stale_seconds=job.stale_seconds, give_up=lambda: stop.requested
        )
    if _is_over(job):
        return Exit.OK
    found = _checkpoint(job, cell)
    attempt = ownership.claim(
        cell, _start(job, found), number=attempts[-1].number + 1 if attempts else 1
    )
    if _is_over(job):  # its owner finished between our look and our claim
        _withdraw(attempt)
        return Exit.OK
    if on_claim is not None:
        on_claim(attempt)
    with Session(job, task, cell, attempt) as session:
        if changed:
            session.mark("changed", changed)
        return session.run(found, stop)


def _is_over(job: Job) -> bool:
    """Whether the cell has its result; one that is damaged does not count if that is allowed."""
    try:
        return done.covers(job)
    except DamagedFile:
        if "damaged" not in job.allow:
            raise
        return False


def _checkpoint(job: Job, cell: CellDir) -> checkpoint.Found | None:
    """What to continue from; None to begin from nothing.

    Raises:
        DamagedFile: what there is cannot be continued, and beginning anew is not allowed.
    """
    finished = cell.finished()
    try:
        if finished is not None:
            done.read(finished)
        found = checkpoint.newest(cell)
        if found is None and finished is not None and done.read(finished)["agent_step"] > 0:
            msg = f"{cell.cell} is finished and its checkpoints are gone, so it cannot be extended"
            raise DamagedFile(msg)
    except DamagedFile as error:
        if "damaged" not in job.allow:
            msg = f"{error}\n{done.ANEW}"
            raise DamagedFile(msg) from error
    else:
        return found
    try:  # what was begun anew since is to be continued
        return checkpoint.newest(cell, after=finished.number if finished else 0)
    except DamagedFile:
        return None


def _start(job: Job, found: checkpoint.Found | None) -> dict[str, Any]:
    """What an attempt says about itself: the checkpoint it continues, and its budget."""
    parent = None
    if found is not None:
        parent = {
            "attempt": found.attempt.number,
            "checkpoint": found.name,
            "offsets": found.state["offsets"],
        }
    return {
        "schema": SCHEMA,
        "parent": parent,
        "steps": job.steps,
        "eval_every": job.eval_every,
        "eval_episodes": job.eval_episodes,
        "device": job.device,
        "lanes": 1,
    }


def _withdraw(attempt: AttemptDir) -> None:
    aside = attempt.path.with_name(f".{attempt.path.name}.tmp-withdrawn")
    attempt.path.rename(aside)  # at once, so that nobody sees half an attempt
    shutil.rmtree(aside)


def _redirect(attempt: AttemptDir) -> None:
    """Send what this process and its libraries print, crashes included, to the attempt."""
    output = os.open(attempt.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.close(output)


def _train_for_exit(job: Job, stop: StopRequest) -> Exit:
    """Train and turn every way to end into an exit code with a line on stderr."""
    try:
        return train(job, stop, on_claim=_redirect)
    except CellBusy as error:
        sys.stderr.write(f"{error}\n")
        return Exit.INTERRUPTED  # whoever works on it may yet stop: the same command goes on
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return Exit.USAGE
    except BenchError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return Exit.FAILED
    except Exception:  # noqa: BLE001 - the last stop before the exit code
        traceback.print_exc()
        return Exit.FAILED


def main() -> None:
    """Train the job given as JSON in the first argument, as a process of its own."""
    plugins.silence()  # the grid has said it
    job = Job(**json.loads(sys.argv[1]))
    faulthandler.enable()
    stop = StopRequest()
    with stop.listening():
        code = _train_for_exit(job, stop)
        sys.stdout.flush()
        sys.stderr.flush()
        # Simulators and thread pools may hang or crash while the interpreter shuts down; every
        # file is closed and durable by now.
        os._exit(code)


if __name__ == "__main__":
    main()
