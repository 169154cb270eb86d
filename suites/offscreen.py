"""How MuJoCo draws without a screen, for every suite that is made with it.

Importing this module does not import MuJoCo, which chooses its renderer when it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.errors import UsageError

HEIGHT, WIDTH = 480, 640  # pixels; the most that MuJoCo offers unless a model asks for more


def not_needed() -> None:
    """Have MuJoCo load no renderer, unless one was chosen or there is a screen.

    Training draws nothing, and what is made with MuJoCo may warn that it finds no display.
    """
    if "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "disable")


@contextmanager
def explained() -> Iterator[None]:
    """Say what to do where drawing fails.

    Raises:
        UsageError: MuJoCo was given no renderer that works here.
    """
    from mujoco import FatalError

    try:
        yield
    except (FatalError, RuntimeError, ImportError, AttributeError) as error:
        msg = (
            f"MuJoCo cannot draw here ({error}); install a renderer that needs no screen: "
            "sudo apt-get install libosmesa6, and set MUJOCO_GL=osmesa before Python starts"
        )
        raise UsageError(msg) from error


class View(NamedTuple):
    """From where a simulation is looked at."""

    centre: tuple[float, float, float]  # metres
    distance: float  # metres
    azimuth: float  # degrees; 90 looks along y
    elevation: float  # degrees; negative looks down


class Painted:
    """What simulations share whose environments are gymnasium's, made with MuJoCo."""

    def __init__(self, environment: Any, view: View) -> None:  # Any: it has more than Env
        """Wrap ``environment``, to be looked at from ``view``."""
        self._environment = environment
        self._painter = Painter(environment.model, environment.data, view)
        self.steps_per_second = 1 / environment.dt

    def render(self) -> NDArray[np.uint8]:
        """The present state.

        Raises:
            UsageError: MuJoCo was given no renderer that works here.
        """
        return self._painter.picture()

    def close(self) -> None:
        """Release the simulator, and what it draws with."""
        self._painter.close()
        self._environment.close()


class Painter:
    """Draws the state of one simulation; whatever that needs is made for the first picture."""

    def __init__(self, model: Any, data: Any, view: View) -> None:  # Any: MuJoCo is untyped
        """Prepare to draw ``data``, of ``model``, neither of which is changed."""
        self._model, self._data, self._view = model, data, view
        self._renderer: Any = None
        self._camera: Any = None

    def picture(self) -> NDArray[np.uint8]:
        """The present state, (height, width, 3).

        Raises:
            UsageError: MuJoCo was given no renderer that works here.
        """
        with explained():
            if self._renderer is None:
                self._prepare()
            self._renderer.update_scene(self._data, self._camera)
            picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def close(self) -> None:
        """Release what drawing needed, while that still ends quietly."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _prepare(self) -> None:
        import mujoco

        self._camera = mujoco.MjvCamera()  # a free one, unlike those of the model
        self._camera.lookat[:] = self._view.centre
        self._camera.distance = self._view.distance
        self._camera.azimuth, self._camera.elevation = self._view.azimuth, self._view.elevation
        buffer = self._model.vis.global_
        buffer.offheight = max(buffer.offheight, HEIGHT)
        buffer.offwidth = max(buffer.offwidth, WIDTH)
        self._renderer = mujoco.Renderer(self._model, HEIGHT, WIDTH)
