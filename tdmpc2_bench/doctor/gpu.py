"""Which GPUs there are, and whether the installed torch can compute on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tdmpc2_bench import protocol
from tdmpc2_bench.child import Child
from tdmpc2_bench.doctor.finding import Finding, Status
from tdmpc2_bench.gpus import VARIABLE

_SECONDS = 120.0  # torch may take: its first import, from a cold disk

# In a process of its own: the harness never imports torch, and drivers may crash or hang.
_PROGRAM = """
import json, os, torch
found = {"build": torch.version.cuda, "gpus": 0, "error": ""}
try:
    found["gpus"] = torch.cuda.device_count()
    for number in range(found["gpus"]):
        assert torch.ones(2, device=f"cuda:{number}").sum().item() == 2, f"GPU {number} cannot add"
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(found), flush=True)
os._exit(0)  # nothing is to be cleared up
"""

_FOR_GPUS = "install torch as its makers say for this driver (pytorch.org), then tdmpc2-bench"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    name: str
    memory_gib: float
    free_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver(Finding):
    """The NVIDIA driver and what it offers."""

    version: str | None = None
    gpus: Sequence[Gpu] = ()

    @property
    def found(self) -> str:
        """The GPUs, by number."""
        gpus = [
            f"GPU {number} {one.name}, {one.free_gib:.0f} of {one.memory_gib:.0f} GiB free"
            for number, one in enumerate(self.gpus)
        ]
        return "; ".join([f"NVIDIA {self.version}", *gpus]) if self.version else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torch(Finding):
    """The installed torch."""

    version: str | None = None
    build: str | None = None  # version of CUDA it was built for; None: for the CPU
    gpus: int = 0  # those it sees

    @property
    def found(self) -> str:
        """Version and build."""
        if self.version is None:
            return ""
        if self.build is None:
            return f"{self.version}, built for the CPU"
        return f"{self.version}, built for CUDA {self.build}, GPUs it sees: {self.gpus}"


def ask_torch() -> Child:
    """Start asking torch what it can do; `torch` takes the answer."""
    return Child([sys.executable, "-P", "-c", _PROGRAM], {})


def driver() -> Driver:
    """Ask the driver for its GPUs."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return Driver(status="missing", reason='pip install "tdmpc2-bench[torch]" to look for GPUs')
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Driver(status="missing", reason=f"no NVIDIA driver ({error}); agents use the CPU")
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(number)
            for number in range(pynvml.nvmlDeviceGetCount())
        ]
        gpus = [_gpu(pynvml, handle) for handle in handles]
        version = pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError as error:
        return Driver(status="broken", reason=f"the NVIDIA driver answers: {error}")
    finally:
        pynvml.nvmlShutdown()
    if not gpus:
        return Driver(status="missing", reason="it has no GPU", version=version)
    return Driver(status="ok", version=version, gpus=gpus)


def _gpu(pynvml: Any, handle: Any) -> Gpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = str(pynvml.nvmlDeviceGetName(handle))
    return Gpu(name, round(memory.total / 2**30, 1), round(memory.free / 2**30, 1))


def torch(child: Child, driver: Driver) -> Torch:
    """What torch can do beside that driver.

    Args:
        child: the process that `ask_torch` started.
        driver: the driver's GPUs.
    """
    version = protocol.versions(["torch"])["torch"]
    if version is None:
        return Torch(status="missing", reason='pip install "tdmpc2-bench[torch]"')
    answer = child.answer(_SECONDS)
    if answer is None:
        return Torch(status="broken", reason=f"its import fails: {child.ending()}", version=version)
    status, reason = _judgement(answer, driver)
    return Torch(
        status=status, reason=reason, version=version, build=answer["build"], gpus=answer["gpus"]
    )


def _judgement(answer: Mapping[str, Any], driver: Driver) -> tuple[Status, str]:
    if answer["error"]:
        return "broken", f"it cannot compute on the GPU ({answer['error']}); {_FOR_GPUS}"
    if not driver.gpus or answer["gpus"]:
        return "ok", ""
    if answer["build"] is None:
        return "note", f"a build for the CPU beside a GPU; {_FOR_GPUS}"
    if VARIABLE in os.environ:
        return "note", f"{VARIABLE}={os.environ[VARIABLE]} hides the GPUs"
    return "broken", f"it finds no GPU; {_FOR_GPUS}"
