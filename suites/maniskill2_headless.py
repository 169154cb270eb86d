"""ManiSkill2 without a Vulkan device: the same physics, rewards and observations, no pictures.

`build` makes an environment as ManiSkill2 0.5.3 does, except for what needs a renderer:

- while it is built, ManiSkill2 is given a renderer that draws nothing, and an engine that does
  not take it: sapien itself has no notion of doing without;
- its class is replaced by one that differs in the four methods of `_BLIND`: no cameras, no
  lights, and neither ground nor cubes have an outside. Meshes of robots, faucets and other
  objects need no replacement: sapien skips them where there is no renderer.

Nothing stays changed in ManiSkill2 or sapien.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import sapien.core as sapien
from mani_skill2.envs import sapien_env
from mani_skill2.utils.registration import REGISTERED_ENVS

# Any: neither mani_skill2 nor sapien says its types.


def build(env_id: str, **options: Any) -> Any:
    """The environment that ManiSkill2 registers as ``env_id``, without its outside."""
    spec = REGISTERED_ENVS[env_id]
    blind = type(f"Blind{spec.cls.__name__}", (spec.cls,), _BLIND)
    with _no_renderer():
        return blind(**{**spec.default_kwargs, **options})


@contextlib.contextmanager
def _no_renderer() -> Iterator[None]:
    """What ManiSkill2's base class knows as sapien makes engines without renderers."""
    other = types.ModuleType(sapien.__name__)
    vars(other).update({**vars(sapien), "Engine": _Engine, "SapienRenderer": _Renderer})
    sapien_env.sapien = other
    try:
        yield
    finally:
        sapien_env.sapien = sapien


class _Engine(sapien.Engine):
    """Physics only."""

    def set_renderer(self, renderer: Any) -> None:
        """Go without."""


class _Renderer:
    """Draws nothing."""

    def __init__(self, **_: Any) -> None:
        """Take the options of a real one."""

    def set_log_level(self, level: str) -> None:
        """Have nothing to say."""


def _setup_cameras(self: Any) -> None:
    self._cameras, self._render_cameras = {}, {}


def _setup_lighting(self: Any) -> None:
    del self


def _add_ground(self: Any, altitude: float = 0.0, render: bool = True) -> Any:  # noqa: FBT001, FBT002 - theirs
    del render
    return self._scene.add_ground(altitude=altitude, render=False)


def _build_cube(
    self: Any, half_size: Any, *, name: str = "cube", static: bool = False, **_outside: Any
) -> Any:
    builder = self._scene.create_actor_builder()
    builder.add_box_collision(half_size=half_size)
    return builder.build_static(name) if static else builder.build(name)


_BLIND = {
    "_setup_cameras": _setup_cameras,
    "_setup_lighting": _setup_lighting,
    "_add_ground": _add_ground,
    "_build_cube": _build_cube,
}
