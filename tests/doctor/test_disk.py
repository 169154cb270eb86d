"""Results must find a folder that can be written, with room."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tdmpc2_bench.doctor import disk


def have_free(monkeypatch: pytest.MonkeyPatch, gib: int) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=gib << 30))


def test_a_folder_that_is_still_to_come_is_judged_by_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_free(monkeypatch, 1234)
    found = disk.examine(tmp_path / "runs" / "new")
    assert (found.status, found.reason) == ("ok", "")
    assert found.found == f"1,234.0 GiB free in {tmp_path}"
    assert not list(tmp_path.iterdir())


def test_a_relative_folder_is_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert disk.examine(Path("runs")).folder == str(tmp_path)


def test_what_cannot_be_written_is_broken(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    found = disk.examine(tmp_path / "runs")
    assert found.status == "broken"
    assert found.reason == "cannot write there (Not a directory); give another folder with --out"


def test_little_room_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have_free(monkeypatch, 3)
    found = disk.examine(tmp_path)
    assert (found.status, found.found) == ("note", f"3.0 GiB free in {tmp_path}")
    assert "--keep weights" in found.reason
