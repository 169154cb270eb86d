"""Each way to draw is tried; what does not draw is missing, and broken only if it is asked for."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tdmpc2_bench.doctor import rendering
from tdmpc2_bench.doctor.finding import Finding
from tdmpc2_bench.film import RENDERER

# A double of mujoco: its frame is empty, it fails or it crashes, by the name of the back end.
MUJOCO = """
import os
import numpy as np

BACK_END = os.environ["MUJOCO_GL"]
if BACK_END == "wrong":
    raise RuntimeError(f"invalid value for environment variable MUJOCO_GL: {BACK_END}")


class MjModel:
    def from_xml_string(text):
        return text


def MjData(model):
    return model


def mj_forward(model, data):
    pass


class Renderer:
    def __init__(self, model, height, width):
        if BACK_END == os.environ.get("CRASHES"):
            os.kill(os.getpid(), 11)
        self.frame = np.zeros((height, width, 3))
        self.frame[0] = BACK_END != os.environ.get("EMPTY")

    def update_scene(self, data):
        pass

    def render(self):
        return self.frame
"""


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mujoco.py").write_text(MUJOCO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(RENDERER, raising=False)
    monkeypatch.setattr(rendering.protocol, "versions", lambda _: {"mujoco": "3.16.0"})
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda _: None)


def found() -> dict[str, Finding]:
    with ExitStack() as children:
        started = {
            name: children.enter_context(rendering.draw(name)) for name in rendering.back_ends()
        }
        return rendering.findings(started)


@pytest.mark.usefixtures("double")
def test_back_ends_that_draw_are_well() -> None:
    assert found() == {"egl": Finding(status="ok"), "osmesa": Finding(status="ok")}


@pytest.mark.usefixtures("double")
def test_a_crash_is_missing_with_the_packages_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHES", "egl")
    egl, osmesa = found().values()
    assert osmesa.status == "ok"
    reason = "no libEGL; sudo apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri"
    assert egl == Finding(status="missing", reason=reason)


@pytest.mark.usefixtures("double")
def test_an_empty_frame_counts_as_none_though_the_library_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMPTY", "osmesa")
    monkeypatch.setattr(rendering.ctypes.util, "find_library", lambda name: f"lib{name}.so")
    assert found()["osmesa"] == Finding(
        status="missing",
        reason="libOSMesa is there, but: AssertionError: the frame is empty; "
        "sudo apt-get install libosmesa6",
    )


@pytest.mark.usefixtures("double")
def test_what_the_user_asks_for_and_does_not_draw_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMPTY", "egl")
    monkeypatch.setenv(RENDERER, "EGL")
    assert {name: finding.status for name, finding in found().items()} == {
        "egl": "broken",
        "osmesa": "ok",
    }
    monkeypatch.setenv(RENDERER, "wrong")
    wrong = found()["wrong"]
    assert wrong.status == "broken"
    assert "MUJOCO_GL=wrong asks for it: RuntimeError: invalid value" in wrong.reason


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("given", ["", "disable", "off", "on", "1"])
def test_whoever_names_no_back_end_asks_for_none(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RENDERER, given)
    assert rendering.back_ends() == ["egl", "osmesa"]
    monkeypatch.setenv("EMPTY", "egl")
    assert found()["egl"].status == "missing"


@pytest.mark.usefixtures("double")
def test_without_mujoco_there_is_nothing_to_draw_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering.protocol, "versions", lambda _: {"mujoco": None})
    assert {finding.status for finding in found().values()} == {"missing"}


def test_the_installed_mujoco_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it can do depends on the machine; that it was asked does not."""
    pytest.importorskip("mujoco")
    monkeypatch.delenv(RENDERER, raising=False)
    for finding in found().values():
        assert finding.status == "ok" or "apt-get install" in finding.reason
