"""Weights & Biases: one run per cell."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import wandb
import wandb.errors

from tdmpc2_bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from tdmpc2_bench.sinks import Sink
    from tdmpc2_bench.sinks.curves import Point, Source


@contextmanager
def sink(out: Path, *, project: str = "tdmpc2-bench", online: bool = False) -> Iterator[Sink]:
    """Runs in ``out/wandb``, and on the server if ``online``.

    Raises:
        UsageError: the project's name is not allowed, or there is no login.
        BenchError: the server refuses the runs or cannot be reached.
    """
    out.mkdir(parents=True, exist_ok=True)

    def opened(source: Source) -> _Run:
        return _Run(out, source, project=project, online=online)

    try:
        yield opened
    except wandb.errors.Error as error:
        kind = UsageError if isinstance(error, wandb.errors.UsageError) else BenchError
        msg = f"wandb: {error}"
        raise kind(msg) from error
    finally:
        if wandb.run is None:  # the calling program may have one of its own
            wandb.teardown()  # waits until the files are whole


class _Run:
    """The run of one cell, under the same id whenever it is exported."""

    def __init__(self, out: Path, source: Source, *, project: str, online: bool) -> None:
        for old in (out / "wandb").glob(f"*run-*-{source.key}*"):
            shutil.rmtree(old)
        cell, identity = source.cell, source.identity
        self._run = wandb.init(
            project=project,
            id=source.key,
            name=str(cell),
            group=f"{cell.agent}/{cell.variant}/{cell.task}",
            tags=[identity["suite"]],
            config={"experiment": source.experiment, **identity},
            dir=out,
            mode="online" if online else "offline",
            reinit="create_new",  # leaves a run that the calling program may have alone
            # What W&B adds of its own would tell of this process, not of the training.
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )

    def write(self, point: Point) -> None:
        self._run.log({**point.scalars, "_timestamp": point.seconds}, step=point.env_step)

    def close(self) -> None:
        self._run.finish()
