"""Which assets pick-ycb and turn-faucet need: objects to grasp, faucets to turn.

ManiSkill2 looks for them below one folder, which MS2_ASSET_DIR names.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tdmpc2_bench import asset
from tdmpc2_bench.asset import Archive, Assets
from tdmpc2_bench.task import Task

VARIABLE = "MS2_ASSET_DIR"  # ManiSkill2's own

# As ManiSkill2 0.5.3 fetches them (mani_skill2.utils.download_asset).
_SOURCE = "https://storage1.ucsd.edu/datasets/ManiSkill2022-assets"
_YCB = Archive(
    url=f"{_SOURCE}/mani_skill2_ycb_v2.zip",
    sha256="b83afbe9c38a780f5625f2c97afad712db49fcb533d4814ac0c827b0514a504b",
    content="mani_skill2_ycb",
)
_FAUCETS = "partnet_mobility/dataset"
# The training set, which TurnFaucet-v0 draws from.
_FAUCET_IDS = (
    5000, 5001, 5002, 5004, 5005, 5006, 5007, 5010, 5011, 5012, 5014, 5015, 5016, 5018, 5020, 5021,
    5023, 5024, 5025, 5027, 5028, 5029, 5030, 5033, 5034, 5035, 5037, 5038, 5039, 5040, 5041, 5043,
    5044, 5045, 5046, 5047, 5048, 5049, 5050, 5051, 5052, 5053, 5055, 5056, 5057, 5058, 5060, 5061,
    5062, 5063, 5064, 5065, 5067, 5068, 5069, 5070, 5072, 5073, 5075, 5076,
)  # fmt: skip


def of(task: Task) -> Assets | None:
    """What the task needs; None if ManiSkill2 itself holds everything."""
    if task.name == "pick-ycb":
        return Assets(folder=folder(), variable=VARIABLE, archives=(_YCB,), files=_ycb_files())
    if task.name == "turn-faucet":
        archives = tuple(
            Archive(
                url=f"{_SOURCE}/{_FAUCETS}/{number}.zip",
                sha256=None,
                content=f"{_FAUCETS}/{number}",
            )
            for number in _FAUCET_IDS
        )
        files = tuple(file for archive in archives for file in _faucet_files(archive.content))
        return Assets(folder=folder(), variable=VARIABLE, archives=archives, files=files)
    return None


def folder() -> Path:
    """Where ManiSkill2 is to look; left alone, it would below the working directory."""
    return asset.folder("maniskill2", VARIABLE)


def _ycb_files() -> tuple[str, ...]:
    """The list of objects and, as far as it can be read, what each collides with."""
    listed = f"{_YCB.content}/info_pick_v0.json"
    try:
        objects = json.loads((folder() / listed).read_text())
    except (OSError, ValueError):
        return (listed,)
    return (listed, *(f"{_YCB.content}/models/{name}/collision.obj" for name in objects))


def _faucet_files(content: str) -> list[str]:
    """A faucet's description and, as far as it can be read, the meshes that it collides with."""
    description = f"{content}/mobility_cvx.urdf"
    try:
        text = (folder() / description).read_text()
    except (OSError, ValueError):
        return [description]
    collisions = re.findall(r"<collision\b.*?</collision>", text, re.DOTALL)
    meshes = {name for part in collisions for name in re.findall(r'filename="([^"]+)"', part)}
    return [description, *(f"{content}/{mesh}" for mesh in sorted(meshes))]
