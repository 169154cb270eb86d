"""GPUs are found through their driver, and torch is asked whether it can use them."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tdmpc2_bench.doctor import gpu
from tdmpc2_bench.doctor.gpu import Driver, Gpu, Torch
from tdmpc2_bench.gpus import VARIABLE

ONE_GPU = Driver(status="ok", version="550.54", gpus=[Gpu("H100", 80.0, 79.0)])
NO_GPU = Driver(status="missing")


class NVMLError(Exception):
    pass


def nvml(count: int = 0, error: str = "", later: str = "") -> Any:
    """A double of pynvml; ``error`` is raised at once, ``later`` when it is asked for a GPU."""

    def init() -> None:
        if error:
            raise NVMLError(error)

    def handle(number: int) -> int:
        if later:
            raise NVMLError(later)
        return number

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=init,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetName=lambda handle: f"H{handle}00",
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=80 << 30, free=79 << 30),
        nvmlSystemGetDriverVersion=lambda: "550.54",
    )


@pytest.mark.parametrize(
    ("module", "status", "text"),
    [
        (nvml(count=2), "ok", "NVIDIA 550.54; GPU 0 H000, 79 of 80 GiB free; GPU 1 H100, 79 of"),
        (nvml(count=0), "missing", "it has no GPU"),
        (nvml(error="Driver Not Loaded"), "missing", "no NVIDIA driver (Driver Not Loaded)"),
        (nvml(count=1, later="GPU is lost"), "broken", "GPU is lost"),
        (None, "missing", 'pip install "tdmpc2-bench[torch]"'),
    ],
)
def test_the_driver_says_which_gpus_there_are(
    module: Any, status: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", module)  # None: cannot be imported
    found = gpu.driver()
    assert found.status == status
    assert text in f"{found.found} {found.reason}"


def torch(
    folder: Path, driver: Driver, *, build: str | None, gpus: int = 0, computes: bool = True
) -> Torch:
    """What is found with a torch in ``folder`` that is like that."""
    (folder / "torch.py").write_text(
        "from types import SimpleNamespace\n"
        f"version = SimpleNamespace(cuda={build!r})\n"
        f"cuda = SimpleNamespace(device_count=lambda: {gpus})\n"
        "def ones(size, device):\n"
        f"    if not {computes}: raise RuntimeError('no kernel image for\\nthis device')\n"
        "    return SimpleNamespace(sum=lambda: SimpleNamespace(item=lambda: 2.0))\n"
    )
    with gpu.ask_torch() as child:
        return gpu.torch(child, driver)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the child process looks for torch first; it counts as installed."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(gpu.protocol, "versions", lambda _: {"torch": "2.13.0"})
    return tmp_path


def test_a_torch_for_the_cpu_is_well_without_a_gpu(folder: Path) -> None:
    found = torch(folder, NO_GPU, build=None)
    assert (found.status, found.reason) == ("ok", "")
    assert found.found == "2.13.0, built for the CPU"


def test_a_torch_for_the_cpu_beside_a_gpu_is_pointed_out_with_the_cure(folder: Path) -> None:
    found = torch(folder, ONE_GPU, build=None)
    assert found.status == "note"
    assert "a build for the CPU beside a GPU; install torch as its makers say" in found.reason


def test_a_torch_that_computes_on_the_gpu_is_well(folder: Path) -> None:
    found = torch(folder, ONE_GPU, build="12.8", gpus=1)
    assert (found.status, found.gpus) == ("ok", 1)
    assert found.found == "2.13.0, built for CUDA 12.8, GPUs it sees: 1"


def test_a_torch_for_gpus_is_well_where_there_is_none(folder: Path) -> None:
    assert torch(folder, NO_GPU, build="12.8").status == "ok"


def test_a_torch_that_finds_no_gpu_though_there_is_one_is_broken(folder: Path) -> None:
    found = torch(folder, ONE_GPU, build="12.8")
    assert found.status == "broken" and "finds no GPU" in found.reason


def test_gpus_that_the_user_hides_are_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    found = torch(folder, ONE_GPU, build="12.8")
    assert found.status == "note" and f"{VARIABLE}= hides the GPUs" in found.reason


def test_a_torch_that_cannot_compute_on_its_gpu_is_broken(folder: Path) -> None:
    found = torch(folder, ONE_GPU, build="11.8", gpus=1, computes=False)
    assert found.status == "broken"
    assert "cannot compute on the GPU (RuntimeError: no kernel image for);" in found.reason


def test_a_torch_that_cannot_be_imported_is_broken(folder: Path) -> None:
    (folder / "torch.py").write_text("raise OSError('libcudart.so.12: no such file')")
    with gpu.ask_torch() as child:
        found = gpu.torch(child, NO_GPU)
    assert found.status == "broken"
    assert found.reason == "its import fails: OSError: libcudart.so.12: no such file"


def test_no_torch_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.protocol, "versions", lambda _: {"torch": None})
    with gpu.ask_torch() as child:
        found = gpu.torch(child, NO_GPU)
    assert (found.status, found.reason) == ("missing", 'pip install "tdmpc2-bench[torch]"')


def test_the_installed_torch_answers() -> None:
    pytest.importorskip("torch")
    with gpu.ask_torch() as child:
        assert gpu.torch(child, NO_GPU).status == "ok"
