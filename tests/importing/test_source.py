"""Hostile and broken files (F17): each is refused with its line, quickly, and nothing is run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdmpc2_bench.importing import Refused, import_results, source
from tdmpc2_bench.importing.findings import Finding

pytest.importorskip("pyarrow")
HEADING = b"agent,task,seed,env_step,value\n"
GOOD = b"sac,walker-walk,1,0,10\n"


def refused(tmp_path: Path, data: bytes) -> Finding:
    """The first error of a file; nothing is written beside it."""
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    with pytest.raises(Refused) as caught:
        import_results(path, tmp_path / "out")
    assert [*tmp_path.iterdir()] == [path]
    return caught.value.findings[0]


@pytest.mark.parametrize(
    ("data", "kind", "line", "told"),
    [
        (b"", "unreadable", None, "it is empty"),
        (b"\n\n", "unreadable", None, "it is empty"),
        (HEADING + b"sac,walker-walk,1,0," + b"9" * 100_000 + b"\n", "bad number", 2, "999..."),
        (HEADING + b"sac,walker-walk,1,0," + b"9" * 10**7 + b"\n", "unreadable", 2, "field limit"),
        (HEADING + b"sac,walker-walk,1,1e999999999,1\n", "bad number", 2, "1e999999999"),
        (HEADING + b"sac,walker-walk," + b"9" * 5_000 + b",0,1\n", "bad number", 2, "999..."),
        (HEADING + GOOD + b"sac,walker-walk,1,1,=cmd()\n", "bad number", 3, "'=cmd()'"),
        (HEADING + b"=cmd(),walker-walk,1,0,1\n", "bad name", 2, "'=cmd()'"),
        (HEADING + b"<script>,walker-walk,1,0,1\n", "bad name", 2, "'<script>'"),
        (HEADING + b"sac,<script>alert(1)</script>,1,0,1\n", "unknown task", 2, "<script>"),
        (HEADING + b"../../etc,walker-walk,1,0,1\n", "bad name", 2, "'../../etc'"),
        (HEADING + b"sac,../../etc/passwd,1,0,1\n", "unknown task", 2, "'../../etc/passwd'"),
        (HEADING + b"sac,walker-walk,1,0,NaN\n", "not finite", 2, "'NaN'"),
        (HEADING + b"sac,walker-walk,1,0,-inf\n", "not finite", 2, "'-inf'"),
        (HEADING + b"sac,walker-walk,-1,0,1\n", "bad number", 2, "a seed from 0"),
        (HEADING + GOOD + b"sac,walker-w\xe4lk,1,0,1\n", "unreadable", 3, "expected UTF-8"),
        (b"PK\x03\x04\xff\xfe", "unreadable", 1, "expected UTF-8"),
        (b"\x80\x04\x95cos\nsystem\n", "unreadable", 1, "expected UTF-8"),
        (HEADING + GOOD + b'"sac,walker-walk,1,0,1\n', "unreadable", 3, "not CSV"),
        (HEADING + b"sac,walker-walk,1,0\n", "unreadable", 2, "expected 5 fields"),
        (b"agent,task,seed,step,value\n" + GOOD, "unreadable", 1, "--column env_step=THEIRS"),
        (b"agent,task,seed,env_step,value,value\n", "unreadable", 1, "'value' is there 2 times"),
    ],
)  # fmt: skip
def test_broken_files_are_refused(
    tmp_path: Path, *, data: bytes, kind: str, line: int | None, told: str
) -> None:
    error = refused(tmp_path, data)
    assert (error.kind, error.severity, error.line) == (kind, "error", line)
    assert told in error.message and len(error.message) < 400


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(HEADING)
    with pytest.raises(Refused, match="there is no value in it"):
        import_results(tmp_path / "in.csv", tmp_path / "out")


@pytest.mark.parametrize("name", ["\x1b[2Jwalker", "walker\u202ewalk", "walker\x00"])
def test_what_a_terminal_would_obey_is_shown_as_text(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, HEADING + f"sac,{name},1,0,1\n".encode())
    assert error.message.isprintable()


def test_marks_of_order_and_line_ends_of_other_systems_are_fine(tmp_path: Path) -> None:
    text = (HEADING + GOOD + b'"sac","walker-walk","1","100"," 20 "\n\n,,,,\n').decode()
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    outcome = import_results(tmp_path / "in.csv", tmp_path / "out")
    assert outcome.manifest["table"]["rows"] == 2


def test_a_file_that_is_too_large_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MOST_BYTES", 2**20)
    assert "at most 1 MiB" in refused(tmp_path, HEADING + GOOD * 100_000).message


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tdmpc2_bench.importing.records.MOST", 10)
    rows = b"".join(b"sac,walker-walk,1,%d,1\n" % step for step in range(11))
    error = refused(tmp_path, HEADING + rows)
    assert "at most 10 rows" in error.message and error.line == 12


def test_many_bad_rows_are_counted_and_not_all_kept(tmp_path: Path) -> None:
    rows = b"".join(b"sac,walker-%d,1,0,1\n" % n for n in range(3_000))
    path = tmp_path / "in.csv"
    path.write_bytes(HEADING + rows)
    with pytest.raises(Refused, match="3,000 problems") as caught:
        import_results(path, tmp_path / "out")
    assert caught.value.findings[-1].message == "and 2,000 more like these"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.csv")
    with pytest.raises(Refused) as caught:
        import_results(tmp_path / "in.csv", tmp_path / "out")
    assert caught.value.findings[0].message == "not a plain file"


CELLS = st.one_of(
    st.sampled_from(
        ["sac", "walker-walk", "1", "100", "0.5", "", "nan", "1e999", "=1", '"', "9" * 99]
    ),
    st.text(max_size=8),
)


@settings(max_examples=150)
@given(
    rows=st.lists(st.lists(CELLS, min_size=4, max_size=6), max_size=5),
    noise=st.binary(max_size=6),
    leave_out_bad=st.booleans(),
)
def test_any_file_is_imported_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    noise: bytes,
    leave_out_bad: bool,  # noqa: FBT001 - hypothesis names it
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    text = "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")
    (folder / "in.csv").write_bytes(HEADING + GOOD + text + noise)
    try:
        outcome = import_results(folder / "in.csv", folder / "out", leave_out_bad=leave_out_bad)
        findings, written = outcome.findings, {"in.csv", "out"}
    except Refused as refusal:
        findings, written = refusal.findings, {"in.csv"}
    assert {path.name for path in folder.iterdir()} == written
    assert ("error" in {one.severity for one in findings}) == (written == {"in.csv"})
    assert all(one.message.isprintable() for one in findings)
