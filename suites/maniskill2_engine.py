"""Which engine ManiSkill2 runs on here: with a Vulkan device, or without one and then blind.

ManiSkill2 makes a renderer for every environment, although observations of the state need none,
and sapien crashes where there is no Vulkan driver. So a process of its own finds out.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import Literal

from tdmpc2_bench.errors import UsageError

Engine = Literal["vulkan", "headless"]
VARIABLE = "MANISKILL2_ENGINE"  # names the engine, instead of finding out

_SECONDS = 60.0  # the attempt may take; a driver may hang

# Goes as far as every environment does: without a driver the renderer can be made, and the first
# light crashes.
_PROGRAM = """
import os, sapien.core as sapien
engine, renderer = sapien.Engine(), sapien.SapienRenderer()
engine.set_renderer(renderer)
scene = engine.create_scene()
scene.set_ambient_light([0.3, 0.3, 0.3])
scene.add_camera("camera", 16, 16, 1.0, 0.01, 10.0)
renderer.create_material()
os._exit(0)  # some drivers crash when they are closed
"""


def choose() -> Engine:
    """The engine that the user has named; else "vulkan" where sapien finds a device.

    Raises:
        UsageError: there is none of the name given.
    """
    given = os.environ.get(VARIABLE, "")
    if given in {"vulkan", "headless"}:
        return "vulkan" if given == "vulkan" else "headless"
    if given:
        msg = f"{VARIABLE} is {given!r}; expected vulkan or headless, or nothing to have it found"
        raise UsageError(msg)
    return "vulkan" if _finds_device() else "headless"


@functools.cache
def _finds_device() -> bool:
    """Whether sapien gets as far as an environment needs; it may crash or hang on the way."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
