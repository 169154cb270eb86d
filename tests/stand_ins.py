"""Made-up assets for pick-ycb and turn-faucet: the code runs, its results mean nothing.

Boxes to grasp, and faucets that are a block with three handles, under the names that ManiSkill2
expects. The folder is marked, so that no result of theirs passes for a real one.
"""

import json
from pathlib import Path

from tdmpc2_bench import registry
from tdmpc2_bench.asset import STAND_IN, Assets

# Half sizes of the boxes, metres; one too broad for the gripper.
BOXES = {"stand-in-small": (0.02, 0.02, 0.03), "stand-in-broad": (0.06, 0.05, 0.02)}

# Corners and faces, counted from 1, of a box; each face is seen from outside.
_CORNERS = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
_FACES = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))

_FAUCET = """<robot name="stand-in">
  <link name="base"/>
  <link name="block">
    <collision><geometry><mesh filename="block.obj"/></geometry></collision>
  </link>
  <joint name="foot" type="fixed"><parent link="base"/><child link="block"/></joint>
  {handles}
</robot>
"""
_HANDLE = """
  <link name="link_{number}">
    <collision>
      <origin xyz="0 0 0.2"/><geometry><mesh filename="handle.obj"/></geometry>
    </collision>
  </link>
  <joint name="joint_{number}" type="revolute">
    <origin xyz="0 {place} 0.3"/><axis xyz="1 0 0"/><limit lower="0" upper="1.5"/>
    <parent link="block"/><child link="link_{number}"/>
  </joint>"""


def make(folder: Path) -> None:
    """Fill ``folder``, which MS2_ASSET_DIR is to name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STAND_IN).write_text("made up for tests\n")
    _make_boxes(folder / "mani_skill2_ycb")
    for archive in assets("turn-faucet").archives:
        _make_faucet(folder / archive.content)


def assets(task: str) -> Assets:
    found: Assets = registry.suite("maniskill2").assets(registry.task(task))
    return found


def _make_boxes(folder: Path) -> None:
    listed = {}
    for name, size in BOXES.items():
        model = folder / "models" / name
        model.mkdir(parents=True)
        for file in ("collision.obj", "textured.obj"):
            (model / file).write_text(_box(size))
        bounds = {"min": [-x for x in size], "max": list(size)}
        listed[name] = {"bbox": bounds, "scales": [1.0], "density": 1000}
    (folder / "info_pick_v0.json").write_text(json.dumps(listed))


def _make_faucet(folder: Path) -> None:
    folder.mkdir(parents=True)
    handles = [_HANDLE.format(number=n, place=0.4 * (n - 1)) for n in range(3)]
    (folder / "mobility_cvx.urdf").write_text(_FAUCET.format(handles="".join(handles)))
    (folder / "block.obj").write_text(_box((0.2, 0.6, 0.3)))
    (folder / "handle.obj").write_text(_box((0.05, 0.1, 0.2)))


def _box(size: tuple[float, float, float]) -> str:
    """A box of half sizes ``size`` as a Wavefront file."""
    lines = [
        f"v {' '.join(str(a * b) for a, b in zip(corner, size, strict=True))}"
        for corner in _CORNERS
    ]
    return "\n".join([*lines, *(f"f {' '.join(map(str, face))}" for face in _FACES)]) + "\n"
