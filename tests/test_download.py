"""Assets are fetched once, checked, and unpacked whole or not at all; here, by this machine."""

import hashlib
import http.server
import io
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdmpc2_bench import download, registry
from tdmpc2_bench.asset import Archive, Assets
from tdmpc2_bench.download import HASHES, fetch, unpack
from tdmpc2_bench.errors import BenchError, DamagedFile, UsageError

pytest.importorskip("pooch", reason="needs tdmpc2-bench[assets]")


def zipped(*entries: tuple[str | zipfile.ZipInfo, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return buffer.getvalue()


BOX = zipped(("boxes/small.obj", "v 0 0 0\n"), ("boxes/read me.txt", ""), ("__MACOSX/junk", ""))


class Makers:
    """They publish files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/boxes.zip": BOX}
        self.asked: list[str] = []
        makers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                makers.asked.append(self.path)
                content = makers.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/boxes.zip"


@pytest.fixture
def makers() -> Iterator[Makers]:
    found = Makers()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def boxes(folder: Path, url: str, sha256: str | None = None) -> Assets:
    archive = Archive(url=url, sha256=sha256, content="objects/boxes")
    files = ("objects/boxes/small.obj",)
    return Assets(folder=folder, variable="PLACE", archives=(archive,), files=files)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_an_archive_becomes_its_folder_and_no_more(tmp_path: Path, makers: Makers) -> None:
    said: list[str] = []
    assets = boxes(tmp_path / "new", makers.url, hashlib.sha256(BOX).hexdigest())
    fetch(assets, say=said.append)
    assert not assets.missing and said == [f"1 of 1: {makers.url}"]
    assert left(assets.folder) == {"objects", "boxes", "small.obj", "read me.txt"}


def test_what_is_there_is_not_fetched_again(tmp_path: Path, makers: Makers) -> None:
    for _ in range(2):
        fetch(boxes(tmp_path, makers.url))
    assert len(makers.asked) == 1


def test_what_is_there_in_part_is_not_taken_for_whole(tmp_path: Path, makers: Makers) -> None:
    (tmp_path / "objects" / "boxes").mkdir(parents=True)
    with pytest.raises(DamagedFile, match=r"small\.obj is missing .* remove its folder"):
        fetch(boxes(tmp_path, makers.url))


def test_another_file_than_published_is_refused(tmp_path: Path, makers: Makers) -> None:
    with pytest.raises(DamagedFile, match=f"expected SHA-256 {'0' * 64}, got"):
        fetch(boxes(tmp_path, makers.url, "0" * 64))
    assert not left(tmp_path)


def test_where_no_hash_is_published_the_first_one_holds(tmp_path: Path, makers: Makers) -> None:
    assets = boxes(tmp_path, makers.url)
    fetch(assets)
    assert hashlib.sha256(BOX).hexdigest() in (tmp_path / HASHES).read_text()
    (tmp_path / "objects").rename(tmp_path / "moved away")
    makers.files["/boxes.zip"] = zipped(("boxes/small.obj", "v 6 6 6\n"))
    with pytest.raises(DamagedFile, match="is not what it was"):
        fetch(assets)
    makers.files["/boxes.zip"] = BOX
    fetch(assets)
    assert not assets.missing


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(("others/small.obj", "")), "holds no folder 'boxes'"),
        (BOX[:-20], "no zip file"),
        (b"<html>moved</html>", "no zip file"),
        (zipped(("boxes", "")), "holds no folder 'boxes'"),
    ],
)
def test_an_archive_that_is_another_thing_leaves_nothing(
    tmp_path: Path, makers: Makers, content: bytes, message: str
) -> None:
    makers.files["/boxes.zip"] = content
    with pytest.raises(DamagedFile, match=message):
        fetch(boxes(tmp_path, makers.url))
    assert not left(tmp_path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/boxes.zip", None])
def test_a_download_that_fails_says_what_to_do(
    tmp_path: Path, makers: Makers, url: str | None
) -> None:
    makers.files.clear()
    with pytest.raises(BenchError, match=r"cannot be downloaded: .*by hand"):
        fetch(boxes(tmp_path, url or makers.url))
    assert not left(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, makers: Makers) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"cannot write .*file"):
        fetch(boxes(tmp_path / "file", makers.url))


def test_without_pooch_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError(name="pooch")

    monkeypatch.setattr(download.importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"tdmpc2-bench\[assets\]"):
        fetch(boxes(tmp_path, "http://127.0.0.1:9/boxes.zip"))


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "entry",
    ["../out", "boxes/../../out", "/out", "C:\\out", "..\\out", link("boxes/link")],
    ids=str,
)
def test_a_zip_that_leads_outside_is_refused_whole(
    tmp_path: Path, entry: str | zipfile.ZipInfo
) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    archive = inside / "archive.zip"
    archive.write_bytes(zipped(("boxes/good", ""), (entry, "/etc/passwd")))
    with pytest.raises(DamagedFile, match="refused"):
        unpack(archive, inside / "content")
    assert left(tmp_path) == {"a", "b", "archive.zip"}


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    archive.write_bytes(zipped(("boxes/zeros", "0" * 2**22)))
    with pytest.raises(DamagedFile, match=r"would unpack to 4,194,304 bytes"):
        unpack(archive, tmp_path / "content")
    assert left(tmp_path) == {"archive.zip"}


def test_several_tasks_are_served_at_once(
    tmp_path: Path, makers: Makers, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = {"toy-point": boxes(tmp_path, makers.url), "toy-plane": None}
    monkeypatch.setattr(registry, "assets", lambda row: needed[row.name])
    found = download.download("suite:toy")
    assert list(found) == ["toy-point"] and not found["toy-point"].missing
