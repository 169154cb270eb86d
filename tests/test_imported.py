"""An import on disk: whole or not there, the same bytes again, and never another's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tdmpc2_bench import imported, longtable, record
from tdmpc2_bench.errors import BenchError, DamagedFile, UsageError

pytest.importorskip("pyarrow")
ROW = {
    "agent": "sac", "task": "dog-run", "suite": "dmcontrol", "seed": 1, "env_step": 0,
    "metric": "return", "value": 5.0, "return": 5.0, "fingerprint": "imported:1",
}  # fmt: skip
CONTENT = {"kind": "csv", "fingerprint": "imported:1", "findings": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "runs" / "others"
    assert imported.write(out, longtable.build([ROW]), CONTENT)[1]
    return out


def test_what_is_written_is_read_back(folder: Path) -> None:
    found = imported.read(folder)
    assert found.table.equals(longtable.build([ROW]))
    assert found.manifest["kind"] == "csv" and found.manifest["table"]["rows"] == 1
    assert {path.name for path in folder.iterdir()} == {"import.json", "table.parquet"}
    assert imported.is_import(folder) and not imported.is_import(folder.parent)


def test_the_same_again_changes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    _, new = imported.write(folder, longtable.build([ROW]), CONTENT)
    assert not new and before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_another_import_does_not_replace_it(folder: Path) -> None:
    with pytest.raises(UsageError, match="holds something else"):
        imported.write(folder, longtable.build([{**ROW, "value": 6.0}]), CONTENT)
    assert imported.read(folder).table["value"].tolist() == [5.0]


def test_nothing_is_written_into_a_folder_of_other_things_or_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "x").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("cells", "cells/x", "link"):
        with pytest.raises(UsageError, match="into another"):
            imported.write(tmp_path / name, longtable.build([ROW]), CONTENT)
    assert {path.name for path in tmp_path.iterdir()} == {"cells", "link"}


@pytest.mark.parametrize("damage", ["changed", "cut", "missing", "manifest", "schema"])
def test_damage_is_noticed(folder: Path, damage: str) -> None:
    table, manifest = folder / "table.parquet", folder / "import.json"
    if damage == "changed":
        data = bytearray(table.read_bytes())
        data[len(data) // 2] ^= 1
        table.write_bytes(data)
    elif damage == "cut":
        table.write_bytes(table.read_bytes()[:-1])
    elif damage == "missing":
        table.unlink()
    elif damage == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:50])
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "schema": 99}))
    with pytest.raises(DamagedFile):
        imported.read(folder)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\x80\x04cos\nsystem\n."])
def test_a_table_that_is_none_is_refused_even_with_its_hash(folder: Path, data: bytes) -> None:
    (folder / "table.parquet").write_bytes(data)
    manifest = json.loads((folder / "import.json").read_bytes())
    manifest["table"]["sha256"] = hashlib.sha256(data).hexdigest()
    record.write_json(folder / "import.json", manifest)
    with pytest.raises(DamagedFile, match="is no table"):
        imported.read(folder)


def test_a_table_of_other_columns_is_refused(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"agent": ["sac"]}), folder / "table.parquet")
    manifest = json.loads((folder / "import.json").read_bytes())
    data = (folder / "table.parquet").read_bytes()
    manifest["table"]["sha256"] = hashlib.sha256(data).hexdigest()
    record.write_json(folder / "import.json", manifest)
    with pytest.raises(DamagedFile, match="expected the columns of the long table"):
        imported.read(folder)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise record.cannot_write(path, OSError(28, "No space left on device"))

    monkeypatch.setattr(record, "write_file", full)
    with pytest.raises(BenchError, match="No space left"):
        imported.write(tmp_path / "out", longtable.build([ROW]), CONTENT)
    assert not [*tmp_path.iterdir()]
