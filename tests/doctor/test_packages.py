"""Packages are compared with what we need and with what was tested together."""

import importlib.metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tdmpc2_bench.doctor import packages
from tdmpc2_bench.doctor.packages import Need

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("needed", "extra", "installed", "status", "reason"),
    [
        ("numpy>=1.23", "", "2.4.6", "ok", ""),
        ("torch>=2.10", "torch", "2.4.6+cu128", "broken", '; pip install "torch>=2.10"'),
        ("click>=8.1", "", "2.4.6+cu128", "broken", "tdmpc2-bench needs >=8.1; pip"),
        ("rich>=2", "", "2.4.6+cu128", "ok", ""),
        ("rich>=2", "", "2.5", "note", "tested with 2.4.6"),
        ("numpy>=1.23", "", "2.4.5", "note", "a cell begun with one version is not continued"),
        ("stable-baselines3>=2", "sac", "2.5", "note", "a cell begun with one version is not"),
        ("mujoco>=2", "dmcontrol", "2.5", "note", "results made with different versions"),
        ("rich>=2", "", None, "broken", "pip install tdmpc2-bench"),
        ("rich>=2", "video", None, "missing", 'pip install "tdmpc2-bench[video]"'),
    ],
)
def test_a_package_is_judged_by_range_and_tested_version(
    needed: str, extra: str, installed: str | None, status: str, reason: str
) -> None:
    found = packages.judge(Need(Requirement(needed), extra), installed, "2.4.6")
    assert found.status == status
    assert reason in found.reason and bool(reason) == bool(found.reason)
    assert found.found == (installed or "")


def test_a_package_without_a_tested_version_is_only_held_to_its_range() -> None:
    need = Need(Requirement("metaworld>=3"), "metaworld")
    assert packages.judge(need, "3.0.0", None).status == "ok"
    assert packages.judge(need, "2.0.0", None).status == "broken"


def test_the_tested_versions_are_those_of_the_constraints_file() -> None:
    lines = (ROOT / "constraints" / "cpu.txt").read_text().splitlines()
    pins = packages.pins()
    assert len(pins) == sum("==" in line and not line.startswith("#") for line in lines)
    assert pins["dm-control"] == "1.0.49"


def test_everything_we_or_an_extra_ask_for_is_looked_at() -> None:
    texts = importlib.metadata.requires("tdmpc2-bench") or []
    asked = {Requirement(text).name for text in texts} - {"tdmpc2-bench"}
    found = packages.findings()
    assert asked <= set(found)
    assert {found[name].status for name in asked} <= {"ok", "note", "missing"}


def test_an_installation_that_lost_its_compiled_modules_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As mujoco-core is after an upgrade of MuJoCo 3 to 4 in place."""
    info = tmp_path / "mujoco_core-4.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mujoco-core\nVersion: 4.0.0\n")
    (info / "RECORD").write_text("mujoco/_structs.so,,\nmujoco/_render.so,,\nmujoco/gone.py,,\n")
    (tmp_path / "mujoco").mkdir()
    (tmp_path / "mujoco" / "_render.so").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = packages.findings()["mujoco-core"]
    assert found.status == "broken"
    assert found.reason == (
        "1 of its 2 compiled modules are gone; "
        "pip install --force-reinstall --no-deps mujoco-core==4.0.0"
    )
