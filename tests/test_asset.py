"""What a task needs beside its simulator is known by what it contains, and missed in words."""

import logging
from pathlib import Path

import pytest
import stand_ins

from tdmpc2_bench import plan, plugins, protocol, registry
from tdmpc2_bench.asset import STAND_IN, Assets
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import SuiteUnavailable
from tdmpc2_bench.experiment import resolve


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that ManiSkill2's assets are looked for in."""
    monkeypatch.setenv("MS2_ASSET_DIR", str(tmp_path))
    return tmp_path


def some(folder: Path, **contents: str) -> Assets:
    for name, content in contents.items():
        (folder / name).write_text(content)
    return Assets(folder=folder, variable="PLACE", archives=(), files=tuple(contents))


def test_what_the_simulation_depends_on_is_the_identity(tmp_path: Path) -> None:
    first = some(tmp_path, a="1", b="2")
    identity = first.identity()
    (tmp_path / "picture.png").touch()
    assert first.identity() == identity == some(tmp_path, b="2", a="1").identity()
    assert identity not in {
        some(tmp_path, a="1", b="3").identity(),
        some(tmp_path, a="2", b="1").identity(),
        some(tmp_path, a="1").identity(),
    }


def test_an_identity_says_what_is_missing_and_what_was_made_up(tmp_path: Path) -> None:
    assets = some(tmp_path, a="1")
    identity = assets.identity()
    (tmp_path / STAND_IN).touch()
    assert assets.identity() == f"stand-in {identity}"
    (tmp_path / "a").unlink()
    assert assets.missing == ["a"]
    assert assets.identity() == "missing"


def test_two_of_the_benchmarks_tasks_need_assets() -> None:
    found = {row.name: registry.assets(row) for row in registry.tasks()}
    needed = {name: assets for name, assets in found.items() if assets is not None}
    assert {name: len(assets.archives) for name, assets in needed.items()} == {
        "pick-ycb": 1,
        "turn-faucet": 60,
    }


def test_assets_lie_among_the_users_data_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MS2_ASSET_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert stand_ins.assets("pick-ycb").folder == tmp_path / "data/tdmpc2-bench/assets/maniskill2"
    monkeypatch.setenv("MS2_ASSET_DIR", "there")
    assert stand_ins.assets("pick-ycb").folder == Path.cwd() / "there"


@pytest.mark.parametrize(
    ("task", "file"),
    [
        ("pick-ycb", "mani_skill2_ycb/info_pick_v0.json"),
        ("turn-faucet", "partnet_mobility/dataset/5000/mobility_cvx.urdf"),
    ],
)
def test_a_task_without_its_assets_says_what_to_do(folder: Path, task: str, file: str) -> None:
    with pytest.raises(SuiteUnavailable) as error:
        registry.check_assets(registry.task(task))
    for part in (file, str(folder), f"tdmpc2-bench assets {task} --download", "MS2_ASSET_DIR"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "lost",
    [
        "mani_skill2_ycb/models/stand-in-broad/collision.obj",
        "partnet_mobility/dataset/5076/handle.obj",
    ],
)
def test_one_file_too_few_is_noticed(folder: Path, lost: str) -> None:
    stand_ins.make(folder)
    needed = [stand_ins.assets(name) for name in ("pick-ycb", "turn-faucet")]
    assert [assets.missing for assets in needed] == [[], []]
    (folder / lost).unlink()
    assert [lost] in [assets.missing for assets in needed]


def test_a_list_of_objects_that_cannot_be_read_is_no_list(folder: Path) -> None:
    stand_ins.make(folder)
    (folder / "mani_skill2_ycb/info_pick_v0.json").write_text("{")
    assert len(stand_ins.assets("pick-ycb").files) == 1


def test_stand_ins_are_another_protocol_and_warned_of(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = registry.task("pick-ycb")
    stand_ins.make(folder)
    (folder / STAND_IN).rename(folder / "unmarked")
    registry.check_assets(row)
    fingerprints = {protocol.fingerprint(protocol.protocol(row, (), registry.rules(row)))}
    assert not caplog.records
    (folder / "unmarked").rename(folder / STAND_IN)
    plugins.warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        registry.check_assets(row)
    assert "its results mean nothing" in caplog.text
    rules = registry.rules(row)
    assert rules["assets"].startswith("stand-in ")
    fingerprints.add(protocol.fingerprint(protocol.protocol(row, (), rules)))
    fingerprints.add(protocol.fingerprint(protocol.protocol(row, ())))
    assert len(fingerprints) == 3


@pytest.mark.usefixtures("folder")
def test_nothing_is_started_without_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "check_available", lambda _: None)
    jobs = plan.jobs([resolve({"tasks": "pick-ycb", "agents": "uniform"})])
    with pytest.raises(SuiteUnavailable, match="needs assets"):
        plan.check_runnable(jobs)


def test_the_command_shows_where_they_lie(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["assets"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("missing") == 2 and shown.count(str(folder)) == 2
    stand_ins.make(folder)
    assert call(["assets", "turn-*"]) == 0
    shown = capsys.readouterr().out
    assert "stand-in" in shown and "pick-ycb" not in shown
    assert call(["assets", "walker-walk"]) == 0
    assert "none of these tasks needs any" in capsys.readouterr().out
