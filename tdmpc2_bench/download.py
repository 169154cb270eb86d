"""How assets come here: fetched from their makers, checked, and unpacked whole or not at all.

Where the makers publish no hash, the one of the first download is kept beside the assets and asked
of every later one.
"""

from __future__ import annotations

import importlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from tdmpc2_bench import record, registry
from tdmpc2_bench.asset import Archive, Assets
from tdmpc2_bench.errors import BenchError, DamagedFile, UsageError

HASHES = "sha256.json"  # hashes of first downloads, by address
_INFLATION = 100  # no archive of meshes and pictures is larger than so many times its zip


def needed(patterns: str | Iterable[str] = ("all",)) -> dict[str, Assets]:
    """What tasks need beside their simulators, by task; those that need nothing are left out.

    Args:
        patterns: tasks, as in `registry.select`.

    Raises:
        UnknownName: a pattern that fits no task.
    """
    found = {row.name: registry.assets(row) for row in registry.select(patterns)}
    return {name: assets for name, assets in found.items() if assets is not None}


def download(
    patterns: str | Iterable[str] = ("all",), *, say: Callable[[str], None] = lambda _: None
) -> dict[str, Assets]:
    """Fetch what tasks need and is not there; returns what they need, as `needed` does.

    Args:
        patterns: tasks, as in `registry.select`.
        say: told of every archive.

    Raises:
        UsageError: a pattern that fits no task, or pooch, which downloads, is not installed.
        DamagedFile: an archive is not what its hash says, or not what it should be.
        BenchError: one cannot be downloaded, or not be written.
    """
    for assets in needed(patterns).values():
        fetch(assets, say=say)
    return needed(patterns)


def fetch(assets: Assets, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Download and unpack the archives that are not there.

    Args:
        assets: what a task needs.
        say: told of every archive.

    Raises:
        UsageError: pooch, which downloads, is not installed.
        DamagedFile: an archive is not what its hash says, or not what it should be; or what was
            unpacked before lacks files.
        BenchError: it cannot be downloaded, or not be written.
    """
    waiting = [one for one in assets.archives if not (assets.folder / one.content).exists()]
    for file in assets.missing:
        if not any(file.startswith(f"{archive.content}/") for archive in waiting):
            lost = assets.folder / file
            msg = f"{lost} is missing in what was unpacked; remove its folder, and download again"
            raise DamagedFile(msg)
    for number, archive in enumerate(waiting, start=1):
        say(f"{number} of {len(waiting)}: {archive.url}")
        try:
            assets.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=assets.folder, prefix=".download-") as place:
                _fetch(archive, assets.folder, Path(place))
        except OSError as error:
            raise record.cannot_write(assets.folder / archive.content, error) from error


def _fetch(archive: Archive, folder: Path, place: Path) -> None:
    """Bring one archive into ``folder`` by way of ``place``, on the same file system."""
    zipped = place / "archive.zip"
    known = archive.sha256 or _hashes(folder).get(archive.url)
    found = _download(archive.url, known, zipped)
    unpacked = place / "content"
    unpack(zipped, unpacked)
    target = folder / archive.content
    content = unpacked / target.name
    if not content.is_dir():
        msg = f"{archive.url} holds no folder {target.name!r}; expected it and what the task needs"
        raise DamagedFile(msg)
    if known is None:
        record.write_json(folder / HASHES, {**_hashes(folder), archive.url: found})
    target.parent.mkdir(parents=True, exist_ok=True)
    content.rename(target)


def _hashes(folder: Path) -> dict[str, Any]:
    path = folder / HASHES
    return record.read_json(path) if path.exists() else {}


def _download(url: str, sha256: str | None, target: Path) -> str:
    """Fetch a file and return its hash, which must be ``sha256`` if that is known.

    pooch is asked for no hash, since it would report a wrong one like a wrong argument.
    """
    try:
        pooch: Any = importlib.import_module("pooch")  # Any: it says no types
    except ModuleNotFoundError as error:
        msg = f'downloads need {error.name}; install: pip install "tdmpc2-bench[assets]"'
        raise UsageError(msg) from error
    pooch.get_logger().setLevel("ERROR")  # it would name a hash to be pasted into code
    try:
        pooch.retrieve(url, known_hash=None, path=target.parent, fname=target.name)
    except Exception as error:  # a network has many ways to fail
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of our disk
        msg = (
            f"{url} cannot be downloaded: {type(error).__name__}: {error}; on a machine without "
            "network, unpack it there by hand: `tdmpc2-bench assets` says where"
        )
        raise BenchError(msg) from error
    found: str = pooch.file_hash(str(target))
    if sha256 not in {None, found}:
        msg = f"{url} is not what it was: expected SHA-256 {sha256}, got {found}"
        raise DamagedFile(msg)
    return found


def unpack(zipped: Path, folder: Path) -> None:
    """Unpack a zip file whose content stays inside ``folder``.

    Raises:
        DamagedFile: it is no zip file, or holds links, names that lead outside, or far more than
            its size allows.
        OSError: it cannot be written.
    """
    try:
        with zipfile.ZipFile(zipped) as file:
            entries = file.infolist()
            for entry in entries:
                _check(zipped, entry)
            size, limit = sum(one.file_size for one in entries), _INFLATION * zipped.stat().st_size
            if size > limit:
                msg = f"{zipped.name} is refused: it would unpack to {size:,} bytes"
                raise DamagedFile(msg)
            free = shutil.disk_usage(zipped.parent).free
            if size > free:
                msg = f"{zipped.name} unpacks to {size:,} bytes, and {free:,} are free there"
                raise BenchError(msg)
            file.extractall(folder)  # reads no more of an entry than it says
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # other kinds of zip
        msg = f"{zipped.name} is no zip file that can be read: {error}"
        raise DamagedFile(msg) from error


def _check(zipped: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that is not a file or folder below the one it is unpacked into."""
    name = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    outside = name.is_absolute() or ".." in name.parts or set(entry.filename) & {"\\", ":", "\0"}
    if outside or kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        msg = f"{zipped.name} is refused: {entry.filename!r} leads outside or is no file"
        raise DamagedFile(msg)
