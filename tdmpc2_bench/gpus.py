"""Which GPU a runner gets: CUDA_VISIBLE_DEVICES for each process, as memory allows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tdmpc2_bench.errors import UsageError

if TYPE_CHECKING:
    from tdmpc2_bench.job import Job

VARIABLE = "CUDA_VISIBLE_DEVICES"
NO_GPU = ""  # what a runner gets that computes elsewhere, or on a GPU that the user has named


class Gpus:
    """GPUs with room for so many runners each."""

    def __init__(self, places: Mapping[str, int]) -> None:
        """Take GPUs by name, with the number of runners each has memory for; none: none needed."""
        self._places = places

    @classmethod
    def wanted_by(cls, jobs: Iterable[Job], *, gib_each: float) -> Gpus:
        """The GPUs for jobs that name the device "cuda", which leaves the choice to us.

        Args:
            jobs: what is to be trained.
            gib_each: GiB of memory that one runner is given.

        Raises:
            UsageError: GPUs are wanted, and there is none with so much memory free.
        """
        if not any(job.device == "cuda" for job in jobs):
            return cls({})
        free = _free_memory()
        places = {name: int(gib // gib_each) for name, gib in free.items()}
        if not any(places.values()):
            seen = ", ".join(f"GPU {name}: {gib:.1f} GiB free" for name, gib in free.items())
            msg = (
                f"device cuda: expected a GPU with {gib_each:g} GiB of free memory "
                f"(--gpu-memory), found {seen or 'no GPU'}"
            )
            raise UsageError(msg)
        return cls(places)

    def free_for(self, taken: Sequence[str]) -> str | None:
        """The GPU with most room left, beside runners on the GPUs ``taken``; None if all are full.

        `NO_GPU` where none is needed.
        """
        if not self._places:
            return NO_GPU
        used = Counter(taken)
        left = {name: places - used[name] for name, places in self._places.items()}
        best = max(left, key=lambda name: left[name])
        return best if left[best] > 0 else None


def _free_memory() -> dict[str, float]:
    """GiB of free memory by GPU, of those this process may use."""
    import pynvml  # part of the extra `torch`; without GPUs nobody gets here

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}  # no driver, so no GPU
    try:
        handles = {
            name: pynvml.nvmlDeviceGetHandleByUUID(name)
            if name.startswith(("GPU-", "MIG-"))
            else pynvml.nvmlDeviceGetHandleByIndex(int(name))
            for name in _visible(pynvml.nvmlDeviceGetCount())
        }
        return {
            name: pynvml.nvmlDeviceGetMemoryInfo(handle).free / 2**30
            for name, handle in handles.items()
        }
    finally:
        pynvml.nvmlShutdown()


def _visible(count: int) -> list[str]:
    """Names of the GPUs this process may use: all, or those the user or a batch system gave it."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in given.split(",") if name.strip()]
