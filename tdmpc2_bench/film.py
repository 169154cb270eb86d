"""A film of an episode: which renderer draws it, and how its frames become a file."""

from __future__ import annotations

import ctypes.util
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from tdmpc2_bench.env import FloatArray, TaskEnv
from tdmpc2_bench.errors import UsageError

RENDERER = "MUJOCO_GL"  # what MuJoCo's Python libraries read when they are first imported
OFF = {"disable", "disabled", "off", "false", "0"}


def prepare(path: Path) -> None:
    """Make sure that a film can be made, before hours are spent on what is to be in it.

    Raises:
        UsageError: with what is missing.
    """
    if path.suffix != ".mp4" or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        msg = f"video {path}: expected a name ending in .mp4 in a folder that can be written"
        raise UsageError(msg)
    try:
        import imageio_ffmpeg  # noqa: F401 - an extra
    except ModuleNotFoundError as error:
        msg = 'films need an encoder; install it with: pip install "tdmpc2-bench[video]"'
        raise UsageError(msg) from error
    _choose_renderer()


def _choose_renderer() -> None:
    """Have MuJoCo draw without a screen, unless the user has said how it is to draw."""
    given = os.environ.get(RENDERER, "").lower()
    if (given and given not in OFF) or "mujoco" in sys.modules:  # too late in the second case
        return
    if Path("/dev/dri").exists() and ctypes.util.find_library("EGL"):
        os.environ[RENDERER] = "egl"
    elif ctypes.util.find_library("OSMesa"):
        os.environ[RENDERER] = "osmesa"
    else:  # a task that does not draw with MuJoCo gets by without
        os.environ.setdefault(RENDERER, "disable")


class Filmed(TaskEnv):
    """An environment whose first episode is filmed; it plays exactly as without."""

    def __init__(self, env: TaskEnv, path: Path) -> None:
        """Film ``env`` into ``path``, which appears when the episode is over."""
        super().__init__(env.task, env.simulation)
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
        self._film: Generator[None, Any, None] | None = None  # takes frames, while one is made
        self._finished = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start an episode."""
        found = super().reset(seed=seed, options=options)
        self._shoot()
        return found

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Take a step."""
        found = super().step(action)
        self._shoot()
        if (found[2] or found[3]) and self._film is not None:
            self._film.close()
            self._temporary.replace(self._path)
            self._film, self._finished = None, True
        return found

    def close(self) -> None:
        """Release the simulator; a film that is not complete is thrown away."""
        if self._film is not None:
            self._film.close()
            self._temporary.unlink(missing_ok=True)
        super().close()

    def _shoot(self) -> None:
        if self._finished:
            return
        frame = self.render()
        if self._film is None:
            self._film = _film(self._temporary, frame.shape, self.frames_per_second)
        self._film.send(np.ascontiguousarray(frame))


def _film(
    path: Path, shape: tuple[int, ...], frames_per_second: float
) -> Generator[None, Any, None]:
    """An encoder to H.264 that takes frames, uint8 of ``shape`` (height, width, 3)."""
    import imageio_ffmpeg

    height, width, _ = shape
    film: Generator[None, Any, None] = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=frames_per_second, macro_block_size=2
    )
    film.send(None)  # starts it
    return film
