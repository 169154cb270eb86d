"""How a running cell is saved and found again.

A checkpoint is a folder of two files: ``state.json`` (plain values, checksums) and
``state.safetensors`` (arrays). The replay's rows are not in it but in segments, written once each;
the checkpoint names those it needs. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from tdmpc2_bench import record
from tdmpc2_bench.agent import Replay, State
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import DamagedFile
from tdmpc2_bench.job import Keep

KEPT = 2  # newest checkpoints that stay, so that a damaged one has a predecessor
_DESCRIPTION = "tdmpc2_bench"  # key of a weights file's metadata
_FLOAT = "__float__"  # marks a number that is not finite
_ARRAY = "__array__"  # marks a place in state.json whose value is in state.safetensors


class Found(NamedTuple):
    """A checkpoint that was read back."""

    attempt: AttemptDir
    name: str
    state: State
    damaged: tuple[str, ...]  # newer checkpoints that could not be read, with the reason


class Checkpoints:
    """The checkpoints one attempt writes, with its replay segments."""

    def __init__(self, cell: CellDir, attempt: AttemptDir, segments: Sequence[State] = ()) -> None:
        """Prepare the folders.

        Args:
            cell: the cell.
            attempt: our own attempt.
            segments: those that the checkpoint we continue from names.
        """
        self._cell, self._attempt = cell, attempt
        self._segments = list(segments)
        for folder in (attempt.checkpoints, attempt.replay):
            folder.mkdir(exist_ok=True)

    def write(self, name: str, state: State, replay: Replay | None) -> None:
        """Save ``state`` and the replay's new rows as checkpoint ``name``, then drop old ones."""
        if (self._attempt.checkpoints / name).exists():
            return  # nothing happened since
        if replay is not None:
            self._write_segment(replay)
        record.publish_folder(
            self._attempt.checkpoints / name, encode({**state, "segments": self._segments})
        )
        self._drop_old()

    def _write_segment(self, replay: Replay) -> None:
        self._segments = [s for s in self._segments if s["stop"] > replay.oldest_row]
        start = self._segments[-1]["stop"] if self._segments else replay.oldest_row
        stop = replay.rows_written
        if start == stop:
            return
        path = self._attempt.replay / f"{start}-{stop}.safetensors"
        data = safetensors.numpy.save(_contiguous(replay.rows(start, stop)))
        record.write_file(path, data)
        self._segments.append(
            {
                "file": str(path.relative_to(self._cell.path)),
                "start": start,
                "stop": stop,
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )

    def _drop_old(self) -> None:
        """Remove all but the newest checkpoints of the cell, and segments none of them names."""
        sound, damaged = 0, False
        named: set[str] = set()
        for attempt, folder in _newest_first(self._cell):
            if attempt.number > self._attempt.number:
                continue  # a successor's are not ours to judge
            if sound == KEPT:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                named |= {segment["file"] for segment in _plain(folder)["state"]["segments"]}
                sound += 1
            except DamagedFile:
                damaged = True
        if damaged:
            return  # what it needs is unknown: drop no segments
        for attempt in self._cell.attempts():
            if attempt.number > self._attempt.number:
                continue
            for path in attempt.replay.glob("*.safetensors"):
                if str(path.relative_to(self._cell.path)) not in named:
                    path.unlink(missing_ok=True)


def newest(cell: CellDir, *, after: int = 0) -> Found | None:
    """The newest checkpoint of the cell that can be read; None if there never was one.

    Args:
        cell: the cell.
        after: only attempts of higher numbers count.

    Raises:
        DamagedFile: there are checkpoints, and none can be read.
    """
    damaged = []
    for attempt, folder in _newest_first(cell):
        if attempt.number <= after:
            break
        try:
            state = decode(folder)
            for segment in state["segments"]:
                _read_checked(cell.path / segment["file"], segment["sha256"])
        except DamagedFile as error:
            damaged.append(str(error))
        else:
            return Found(attempt, folder.name, state, tuple(damaged))
    if damaged:
        msg = f"no checkpoint of {cell.cell} can be read:\n  " + "\n  ".join(damaged)
        raise DamagedFile(msg)
    return None


def discard(cell: CellDir, keep: Keep) -> None:
    """Remove what need not stay of a finished cell."""
    for attempt in cell.attempts():
        if keep != "all":
            shutil.rmtree(attempt.checkpoints, ignore_errors=True)
        if keep == "weights":
            shutil.rmtree(attempt.replay, ignore_errors=True)


def load_replay(cell: CellDir, segments: Sequence[State], replay: Replay) -> None:
    """Refill ``replay`` from the segments that a checkpoint names."""
    if segments:
        paths = [cell.path / s["file"] for s in segments]
        data = [_read_checked(p, s["sha256"]) for p, s in zip(paths, segments, strict=True)]
        replay.load(map(_tensors, paths, data), first_row=segments[0]["start"])


def encode(state: State) -> dict[str, bytes]:
    """A nested state as the files of a checkpoint folder."""
    arrays: dict[str, NDArray[Any]] = {}
    plain = _split(state, "", arrays)
    data = safetensors.numpy.save(_contiguous(arrays))
    line = record.encode_line({"state": plain, "sha256": hashlib.sha256(data).hexdigest()})
    return {"state.safetensors": data, "state.json": line}


def decode(folder: Path) -> State:
    """The state that `encode` wrote.

    Raises:
        DamagedFile: a file is missing, cut short or changed.
    """
    row = _plain(folder)
    file = folder / "state.safetensors"
    arrays = _tensors(file, _read_checked(file, row["sha256"]))
    state: State = _join(row["state"], arrays)
    return state


def _plain(folder: Path) -> dict[str, Any]:
    """What a checkpoint's ``state.json`` says, without its arrays."""
    path = folder / "state.json"
    row = record.decode_line(path.read_bytes()) if path.exists() else None
    if row is None:
        msg = f"{path} is damaged (missing, or its checksum does not fit)"
        raise DamagedFile(msg)
    return row


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read a weights file.

    Raises:
        DamagedFile: it is not a safetensors file; a pickle is never opened.
    """
    try:
        return _tensors(path, path.read_bytes())
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise DamagedFile(msg) from error


def read_description(path: Path) -> dict[str, Any]:
    """What a weights file says of itself; empty where it says nothing.

    Raises:
        DamagedFile: it is not a safetensors file.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            found = json.loads((file.metadata() or {}).get(_DESCRIPTION, "{}"))
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        msg = f"{path} is not a safetensors file ({error}); other formats are not opened"
        raise DamagedFile(msg) from error
    return found if isinstance(found, dict) else {}


def write_weights(
    path: Path, weights: Mapping[str, NDArray[Any]], described: Mapping[str, Any]
) -> None:
    """Write a weights file, whole or not at all.

    Args:
        path: the file.
        weights: by name.
        described: JSON values that say what the weights are of, so that the file stands alone.
    """
    metadata = {_DESCRIPTION: json.dumps(described, sort_keys=True)}
    record.write_file(path, safetensors.numpy.save(_contiguous(weights), metadata))


def _newest_first(cell: CellDir) -> list[tuple[AttemptDir, Path]]:
    """Every checkpoint folder, by attempt, agent steps and updates, newest first."""
    found = []
    for attempt in cell.attempts():
        for folder in attempt.checkpoints.glob("[0-9]*-[0-9]*"):
            agent_step, updates = folder.name.split("-")
            found.append(((attempt.number, int(agent_step), int(updates)), attempt, folder))
    return [(attempt, folder) for _, attempt, folder in sorted(found, key=_key, reverse=True)]


def _key(entry: tuple[tuple[int, int, int], AttemptDir, Path]) -> tuple[int, int, int]:
    return entry[0]


def _read_checked(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise DamagedFile(msg) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        msg = f"{path} is damaged (its checksum does not fit)"
        raise DamagedFile(msg)
    return data


def _tensors(path: Path, data: bytes) -> dict[str, NDArray[Any]]:
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        msg = f"{path} is not a safetensors file ({error}); other formats are not opened"
        raise DamagedFile(msg) from error
    # A copy, since arrays on top of the file's bytes would be read-only.
    return {name: np.array(array) for name, array in arrays.items()}


def _contiguous(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    # numpy gives arrays of no dimension one.
    return {
        name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()
    }


def _split(value: Any, path: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """``value`` with every array moved to ``arrays`` under its path."""
    if isinstance(value, np.ndarray):
        name = f"{len(arrays)}{path}"  # numbered, since keys may hold slashes
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}  # JSON has none
    if isinstance(value, Mapping):
        return {key: _split(item, f"{path}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_split(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
    return value


def _join(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            return arrays[value[_ARRAY]]
        if _FLOAT in value:
            return float(value[_FLOAT])
        return {key: _join(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_join(item, arrays) for item in value]
    return value
