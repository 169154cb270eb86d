"""Whether MuJoCo can draw without a screen, by each way it has."""

from __future__ import annotations

import ctypes.util
import os
import sys
from collections.abc import Mapping

from tdmpc2_bench import protocol
from tdmpc2_bench.child import Child
from tdmpc2_bench.doctor.finding import Finding
from tdmpc2_bench.film import OFF, RENDERER

_SECONDS = 60.0  # one frame may take
_INSTALL = "sudo apt-get install"

# Back end -> the library that MuJoCo loads for it, and the Debian packages it comes with.
_BACK_ENDS = {
    "egl": ("EGL", "libegl1 libegl-mesa0 libgl1-mesa-dri"),
    "osmesa": ("OSMesa", "libosmesa6"),
}

_ANY = {"", "enable", "enabled", "on", "true", "1"}  # leaves the choice to MuJoCo

# In a process of its own: MuJoCo chooses its back end once, and drivers may crash or hang.
_PROGRAM = """
import json, os, mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom size="1"/></worldbody></mujoco>'
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
frame = renderer.render()
assert frame.min() < frame.max(), "the frame is empty"
print(json.dumps({"drawn": True}), flush=True)
os._exit(0)  # some drivers crash when they are closed
"""


def back_ends() -> list[str]:
    """Those that need no screen, then the one that the user has named, if it is another."""
    chosen = _chosen()
    return [*_BACK_ENDS, *([chosen] if chosen and chosen not in _BACK_ENDS else [])]


def draw(back_end: str) -> Child:
    """Start drawing a frame; `findings` takes the answer."""
    return Child([sys.executable, "-P", "-c", _PROGRAM], {RENDERER: back_end})


def findings(children: Mapping[str, Child]) -> dict[str, Finding]:
    """How each back end fares.

    One that does not draw is missing, since training draws nothing; but broken if MUJOCO_GL asks
    for it, since simulators may then not even load.

    Args:
        children: the process that `draw` started for each.
    """
    if protocol.versions(["mujoco"])["mujoco"] is None:
        reason = "nothing to draw with: MuJoCo is not installed"
        return dict.fromkeys(children, Finding(status="missing", reason=reason))
    return {name: _examine(name, child) for name, child in children.items()}


def _chosen() -> str:
    """The back end that the user has named; empty if none."""
    given = os.environ.get(RENDERER, "").strip().lower()
    return "" if given in OFF | _ANY else given


def _examine(name: str, child: Child) -> Finding:
    if child.answer(_SECONDS) is not None:
        return Finding(status="ok")
    reason = child.ending()
    if name in _BACK_ENDS:
        library, packages = _BACK_ENDS[name]
        there = ctypes.util.find_library(library) is not None
        reason = f"lib{library} is there, but: {reason}; " if there else f"no lib{library}; "
        reason += f"{_INSTALL} {packages}"
    if name == _chosen():
        return Finding(status="broken", reason=f"{RENDERER}={name} asks for it: {reason}")
    return Finding(status="missing", reason=reason)
