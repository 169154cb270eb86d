"""What is on disk checks itself, and appears whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdmpc2_bench import record
from tdmpc2_bench.errors import BenchError, DamagedFile

ROWS: list[dict[str, Any]] = [
    {"env_step": 0, "mode": "plan", "return": [1.5, -2.0]},
    {"env_step": 100, "mode": 'plan, "mean" \n\r\u2028', "return": [0.1]},
    {"env_step": 200, "mode": "mean", "return": []},
]

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


def write_log(path: Path, rows: list[dict[str, Any]]) -> bytes:
    log = record.Log(path)
    for row in rows:
        log.append(row)
    log.close()
    return path.read_bytes()


def without_header(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in {"v", "seq", "crc"}} for row in rows]


# Lines


@given(st.dictionaries(st.text(), plain_values, min_size=1, max_size=4))
def test_a_line_gives_back_the_row(row: dict[str, Any]) -> None:
    line = record.encode_line(row)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert row == record.decode_line(line)


def test_numpy_values_become_plain_ones() -> None:
    row = {
        "array": np.arange(3, dtype=np.uint8),
        "number": np.float32(0.5),
        "flag": np.bool_(1),
        "tuple": (1, 2),
    }
    expected = {"array": [0, 1, 2], "number": 0.5, "flag": True, "tuple": [1, 2]}
    assert expected == record.decode_line(record.encode_line(row))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_what_is_no_finite_number_becomes_null(value: float) -> None:
    row = {"value": value, "list": [1.0, value], "array": np.array([value, 2.0])}
    expected = {"value": None, "list": [1.0, None], "array": [None, 2.0]}
    assert expected == record.decode_line(record.encode_line(row))


# Logs


def test_a_log_gives_back_its_rows_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    data = write_log(path, ROWS)
    found = record.read_log(path)
    assert without_header(found.rows) == ROWS
    assert [row["seq"] for row in found.rows] == [0, 1, 2]
    assert {record.VERSION} == {row["v"] for row in found.rows}
    assert not found.torn
    assert data.count(b"\n") == len(ROWS)


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert record.read_log(tmp_path / "none.jsonl") == ([], False)


def test_a_log_never_takes_over_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    data = write_log(path, ROWS)
    with pytest.raises(FileExistsError):
        record.Log(path)
    assert data == path.read_bytes()


def test_the_offset_is_the_length_of_the_file(tmp_path: Path) -> None:
    log = record.Log(tmp_path / "log.jsonl")
    for row in ROWS:
        log.append(row)
        assert (tmp_path / "log.jsonl").stat().st_size == log.offset
    log.close()


def test_a_torn_last_line_is_dropped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.jsonl"
    data = write_log(path, ROWS)
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last + 1, len(data)):
        path.write_bytes(data[:cut])
        found = record.read_log(path)
        assert found.torn
        assert "the last line was cut short" in caplog.text
        assert ROWS[:2] == without_header(found.rows)
    path.write_bytes(data[:last])  # nothing of the line was written
    assert not record.read_log(path).torn


def test_a_damaged_middle_line_stops(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = write_log(path, ROWS).splitlines(keepends=True)
    for damaged in (
        lines[1][:-3] + b"\n",  # cut short
        lines[1].replace(b"100", b"900"),  # changed
        b"",  # lost
        lines[0],  # another line twice
        lines[1] * 2,
    ):
        path.write_bytes(lines[0] + damaged + lines[2])
        with pytest.raises(DamagedFile, match=r"log\.jsonl: line [23] is damaged"):
            record.read_log(path)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """A flip is damage, or lies in a last line that is given as torn."""
    path = tmp_path / "log.jsonl"
    data = write_log(path, ROWS)
    last = data.rstrip(b"\n").rfind(b"\n")  # the end of the middle line
    for place in range(len(data)):
        for mask in (0x01, 0x07, 0x80):
            path.write_bytes(data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :])
            try:
                found = record.read_log(path)
            except DamagedFile:
                continue
            assert found.torn
            assert place >= last
            assert ROWS[: len(found.rows)] == without_header(found.rows)


@given(data=st.binary(max_size=200))
@settings(max_examples=200)
def test_a_line_of_anything_is_refused_without_an_accident(data: bytes) -> None:
    assert record.decode_line(data) is None


def test_reading_stops_at_the_recorded_length(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = record.Log(path)
    log.append(ROWS[0])
    offset = log.offset
    log.append(ROWS[1])
    log.close()
    path.write_bytes(path.read_bytes() + b"what a dead owner wrote later")
    found = record.read_log(path, stop=offset)
    assert ROWS[:1] == without_header(found.rows)
    assert not found.torn


def test_a_log_shorter_than_recorded_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    data = write_log(path, ROWS)
    path.write_bytes(data[:-1])
    with pytest.raises(DamagedFile, match="cut short"):
        record.read_log(path, stop=len(data))
    path.unlink()
    with pytest.raises(DamagedFile, match="cut short"):
        record.read_log(path, stop=len(data))


def test_a_recorded_last_line_cannot_be_torn(tmp_path: Path) -> None:
    """What a checkpoint recorded was durable before, so a bad line in it is damage."""
    path = tmp_path / "log.jsonl"
    data = write_log(path, ROWS)
    path.write_bytes(data[:-10] + b"X" + data[-9:])
    with pytest.raises(DamagedFile):
        record.read_log(path, stop=len(data))


def test_a_growing_log_gives_each_row_as_soon_as_it_is_whole(tmp_path: Path) -> None:
    data = write_log(tmp_path / "log", ROWS)
    path = tmp_path / "growing"
    tail = record.Tail(path)
    assert tail.rows() == []  # it is not there yet
    found: list[dict[str, Any]] = []
    for length in range(1, len(data) + 1):
        path.write_bytes(data[:length])
        found += tail.rows()
        assert len(found) == data[:length].count(b"\n")
    assert without_header(found) == ROWS
    assert tail.rows() == []


def test_a_growing_log_that_is_damaged_stops(tmp_path: Path) -> None:
    data = write_log(tmp_path / "log", ROWS)
    path = tmp_path / "growing"
    tail = record.Tail(path)
    first, second, third = data.splitlines(keepends=True)
    path.write_bytes(first)
    assert len(tail.rows()) == 1
    for wrong in (second.replace(b"100", b"101"), third):
        path.write_bytes(first + wrong)
        with pytest.raises(DamagedFile, match="growing: line 2 is damaged"):
            tail.rows()
    path.write_bytes(first + second)
    assert without_header(tail.rows()) == ROWS[1:2]


# Files


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> Iterator[list[str]]:
    """Let the ``number``-th call of ``os.name`` fail; gives the list of calls that came."""
    calls: list[str] = []
    real = getattr(os, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, wrapped)
        yield calls


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes, as if the disk were full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


OLD, NEW = b"old " * 500, b"new! " * 700


@pytest.mark.parametrize("before", [OLD, None])
@pytest.mark.parametrize(("call", "number"), [("fsync", 1), ("fsync", 2), ("replace", 1)])
def test_a_failed_write_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None, call: str, number: int
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with failing(monkeypatch, call, number) as calls, pytest.raises(BenchError, match="file"):
        record.write_file(path, NEW)
    assert number == len(calls)
    found = path.read_bytes() if path.exists() else None
    assert found in {before, NEW}
    assert [path] * (found is not None) == list(tmp_path.iterdir())  # no temporary


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    for size in (0, 1, 100, len(NEW) - 1):
        with room_for(size), pytest.raises(BenchError, match=r"cannot write .*file: .*MiB free"):
            record.write_file(path, NEW)
        assert path.read_bytes() == OLD
        assert [path] == list(tmp_path.iterdir())
    record.write_file(path, NEW)
    assert path.read_bytes() == NEW


def test_a_log_that_cannot_grow_names_its_file(tmp_path: Path) -> None:
    log = record.Log(tmp_path / "log.jsonl")
    log.append(ROWS[0])
    size = log.offset
    with room_for(size + 20), pytest.raises(BenchError, match=r"log\.jsonl.*MiB free"):
        log.append(ROWS[1])
    found = record.read_log(tmp_path / "log.jsonl")
    assert (ROWS[:1], True) == (without_header(found.rows), found.torn)


@pytest.mark.parametrize("taken", [1, 7])
def test_a_line_is_written_whole_when_the_system_takes_it_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:taken]))
        write_log(tmp_path / "log.jsonl", ROWS)
    assert without_header(record.read_log(tmp_path / "log.jsonl").rows) == ROWS


_KILLED = """
import os, signal, sys
from pathlib import Path
from tdmpc2_bench import record

left = int(sys.argv[2])

def deadly(function):
    def wrapped(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

for name in ("fsync", "replace", "rename"):
    setattr(os, name, deadly(getattr(os, name)))
{action}
"""


def kill_in(action: str, path: Path, number: int) -> int:
    """Do ``action`` in a process that is killed before its ``number``-th call; its exit code."""
    command = [sys.executable, "-P", "-c", _KILLED.format(action=action), str(path), str(number)]
    return subprocess.run(command, check=False).returncode


def test_sigkill_inside_a_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    action = f"record.write_file(Path(sys.argv[1]), {NEW!r})"
    for number, expected in ((1, OLD), (2, OLD), (3, NEW)):
        path.write_bytes(OLD)
        assert kill_in(action, path, number) == -signal.SIGKILL
        assert expected == path.read_bytes()
        record.remove_temporaries(tmp_path)
        assert [path] == list(tmp_path.iterdir())
    assert kill_in(action, path, 4) == 0


def test_sigkill_inside_a_publication_leaves_the_whole_folder_or_none(tmp_path: Path) -> None:
    action = "record.publish_folder(Path(sys.argv[1]), {'a': b'1', 'b': b'2'})"
    for number in range(1, 9):  # three calls per file, one rename, one for the parent
        path = tmp_path / str(number)
        assert kill_in(action, path, number) == -signal.SIGKILL
        found = {p.name: p.read_bytes() for p in path.iterdir()} if path.exists() else None
        assert found in ([None] if number <= 7 else [{"a": b"1", "b": b"2"}])
    record.remove_temporaries(tmp_path)
    assert {"8"} == {p.name for p in tmp_path.iterdir()}


def test_sigkill_at_any_time_leaves_one_of_the_files_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    program = (
        "import itertools, sys; from pathlib import Path; from tdmpc2_bench import record\n"
        "for n in itertools.count(): record.write_file(Path(sys.argv[1]), b'%09d' % n * 20_000)"
    )
    rng = np.random.default_rng(0)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-P", "-c", program, str(path)]) as process:
            while not path.exists():
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.05))
            process.kill()
        data = path.read_bytes()
        assert len(data) == 180_000
        assert data[:9] * 20_000 == data
        path.unlink()
    record.remove_temporaries(tmp_path)
    assert not list(tmp_path.iterdir())


def test_json_is_read_back(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None, True], "b": {"c": "é"}}
    record.write_json(tmp_path / "file.json", {**content, "nan": float("nan")})
    assert {**content, "nan": None} == record.read_json(tmp_path / "file.json")


@pytest.mark.parametrize("data", [None, b"", b"{", b'{"a": 1', b"\xff\xfe", b"[1]", b"3"])
def test_what_is_no_json_object_is_damaged(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "file.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DamagedFile, match=r"file\.json"):
        record.read_json(path)


# Folders


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What ``act`` gives in ``count`` threads that start together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_many_publishers_exactly_one_wins(tmp_path: Path) -> None:
    for trial in range(30):
        folder = tmp_path / str(trial) / "folder"

        def publish(number: int, folder: Path = folder) -> bool:
            files = dict.fromkeys(("a", "b"), b"%d" % number * 5000)
            return record.publish_folder(folder, files)

        won = at_once(8, publish)
        assert sum(won) == 1
        winner = b"%d" % won.index(True) * 5_000
        assert {"a": winner, "b": winner} == {p.name: p.read_bytes() for p in folder.iterdir()}
        assert [folder] == list(folder.parent.iterdir())  # the losers' temporaries are gone


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    assert record.publish_folder(tmp_path / "folder", {"a": b"1"})
    assert not record.publish_folder(tmp_path / "folder", {"a": b"2", "b": b"3"})
    assert [p.read_bytes() for p in (tmp_path / "folder").iterdir()] == [b"1"]


@pytest.mark.parametrize(
    ("call", "number"), [("fsync", 1), ("replace", 1), ("fsync", 3), ("rename", 1)]
)
def test_a_failed_publication_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    with failing(monkeypatch, call, number), pytest.raises(BenchError, match="cannot write"):
        record.publish_folder(tmp_path / "folder", {"a": b"1", "b": b"2"})
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_of_a_publication(tmp_path: Path) -> None:
    with room_for(100), pytest.raises(BenchError, match=r"folder.*MiB free"):
        record.publish_folder(tmp_path / "folder", {"a": b"1", "b": b"2" * 1_000})
    assert not list(tmp_path.iterdir())


def test_only_temporaries_are_removed(tmp_path: Path) -> None:
    kept = {"file", ".hidden", "file.tmp", "folder"}
    for name in kept - {"folder"}:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / ".file.tmp-0123").touch()
    (tmp_path / ".folder.tmp-0123").mkdir()
    (tmp_path / ".folder.tmp-0123" / "file").touch()
    record.remove_temporaries(tmp_path)
    assert kept == {p.name for p in tmp_path.iterdir()}
