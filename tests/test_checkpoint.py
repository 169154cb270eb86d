"""A checkpoint gives back what was saved, or says that it cannot."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from tdmpc2_bench import checkpoint, ownership, record
from tdmpc2_bench.baselines.replay import Replay
from tdmpc2_bench.celldir import AttemptDir, Cell, CellDir
from tdmpc2_bench.errors import BenchError, DamagedFile

DTYPES = (np.bool_, np.uint8, np.int64, np.float32, np.float64)
STATE: dict[str, Any] = {"agent": {"weights": np.arange(6.0).reshape(2, 3)}, "agent_step": 7}


@pytest.fixture
def cell(tmp_path: Path) -> CellDir:
    found = CellDir.of(tmp_path, Cell("learner", "default", "toy-point", 1))
    found.path.mkdir(parents=True)
    return found


@pytest.fixture
def attempt(cell: CellDir) -> AttemptDir:
    return ownership.claim(cell, {}, number=1)


def same(expected: Any, found: Any) -> bool:
    """Whether two states are equal, types, shapes and bits of arrays included."""
    if isinstance(expected, np.ndarray):
        return (
            isinstance(found, np.ndarray)
            and (expected.dtype, expected.shape) == (found.dtype, found.shape)
            and expected.tobytes() == found.tobytes()
        )
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and expected.keys() == found.keys()
            and all(same(value, found[key]) for key, value in expected.items())
        )
    return type(expected) is type(found) and bool(expected == found)


def saved(folder: Path, state: dict[str, Any]) -> dict[str, Any]:
    """The state after a way to the disk and back."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in checkpoint.encode(state).items():
        (folder / name).write_bytes(data)
    return checkpoint.decode(folder)


# States


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3)])
def test_an_array_keeps_type_shape_and_bits(
    tmp_path: Path, dtype: type[Any], shape: tuple[int, ...]
) -> None:
    array = np.random.default_rng(0).uniform(0, 200, shape).astype(dtype)
    state = {"array": np.asarray(array)}
    assert same(state, saved(tmp_path / "folder", state))


def test_arrays_that_are_views_are_saved_as_they_look(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(4, 6)
    state = {"turned": array.T, "column": array[:, 2], "backwards": array[::-1]}
    assert same(
        {name: np.ascontiguousarray(view) for name, view in state.items()},
        saved(tmp_path / "folder", state),
    )


def test_numbers_that_are_not_finite_survive_in_arrays(tmp_path: Path) -> None:
    state = {"array": np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)}
    assert same(state, saved(tmp_path / "folder", state))


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_a_number_that_is_not_finite_is_kept_or_refused(tmp_path: Path, value: float) -> None:
    """Never turned into something else: a resumed agent would go on with it."""
    try:
        found = saved(tmp_path / "folder", {"best": value})
    except (BenchError, ValueError):
        return
    assert repr(value) == repr(found["best"])


def test_a_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rng.integers(10, size=3, dtype=np.int32)  # leaves half a word in the generator
    found = saved(tmp_path / "folder", {"rng": rng.bit_generator.state})["rng"]
    assert rng.bit_generator.state == found
    assert found["state"]["state"].bit_length() > 64
    restored = np.random.default_rng()
    restored.bit_generator.state = found
    assert rng.bytes(1000) == restored.bytes(1000)


def test_plain_values_keep_their_types(tmp_path: Path) -> None:
    state = {
        "none": None,
        "yes": True,
        "no": False,
        "zero": 0,
        "large": 2**127 + 1,
        "negative": -(2**70),
        "float": 0.1 + 0.2,
        "whole": 1.0,
        "tiny": 5e-324,
        "text": "é\n\u2028\0",
        "empty": {},
        "nested": {"a": {"b": {"c": None}}, "array": np.arange(3)},
    }
    assert same(state, saved(tmp_path / "folder", state))


keys = st.text("ab/_.é", max_size=4)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**128), 2**128)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st_numpy.arrays(
        st.sampled_from([np.dtype(dtype) for dtype in DTYPES]),
        st_numpy.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3),
    )
)
states = st.dictionaries(
    keys, st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3))
)


@given(state=states)
def test_any_state_comes_back(tmp_path_factory: pytest.TempPathFactory, state: Any) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_state"
    assert same(state, saved(folder, state))


def test_equal_names_of_arrays_at_different_depths_stay_apart(tmp_path: Path) -> None:
    state = {"a/b": np.zeros(2), "a": {"b": np.ones(2), "b/c": np.full(2, 2.0)}}
    assert same(state, saved(tmp_path / "folder", state))


def test_what_is_loaded_may_be_changed(tmp_path: Path) -> None:
    found = saved(tmp_path / "folder", STATE)
    found["agent"]["weights"] += 1


# Which checkpoints stay


def names(attempt: AttemptDir) -> set[str]:
    return {path.name for path in attempt.checkpoints.iterdir()}


def segments(attempt: AttemptDir) -> set[str]:
    return {path.stem for path in attempt.replay.iterdir()}


def filled(replay: Replay, episodes: int, length: int = 3) -> Replay:
    """The replay with more episodes of ``length`` rows, numbered on."""
    for _ in range(episodes):
        for i in range(length):
            row = replay.rows_written
            replay.append(first=i == 0, last=i == length - 1, obs=np.full(2, row, np.float32))
    return replay


def new_replay(capacity: int = 100) -> Replay:
    return Replay(capacity, 10, {"obs": ((2,), np.float32)})


def rows(replay: Replay) -> dict[str, NDArray[Any]]:
    return replay.rows(replay.oldest_row, replay.rows_written)


def test_there_is_none_at_the_beginning(cell: CellDir, attempt: AttemptDir) -> None:
    assert checkpoint.newest(cell) is None
    checkpoint.Checkpoints(cell, attempt)
    assert checkpoint.newest(cell) is None


def test_the_two_newest_stay(cell: CellDir, attempt: AttemptDir) -> None:
    writer = checkpoint.Checkpoints(cell, attempt)
    written = ["9-0", "9-5", "10-0", "10-2", "10-11", "100-7"]  # sorted by number, not by text
    for i, name in enumerate(written):
        writer.write(name, {"number": i}, None)
        assert set(written[max(0, i - 1) : i + 1]) == names(attempt)
        found = checkpoint.newest(cell)
        assert found is not None
        assert (attempt, name, ()) == (found.attempt, found.name, found.damaged)
        assert i == found.state["number"]


def test_a_later_attempt_is_newer_whatever_its_step(cell: CellDir, attempt: AttemptDir) -> None:
    checkpoint.Checkpoints(cell, attempt).write("100-0", {"number": 1}, None)
    second = ownership.claim(cell, {}, number=2)
    checkpoint.Checkpoints(cell, second).write("50-0", {"number": 2}, None)
    found = checkpoint.newest(cell)
    assert found is not None
    assert (second, "50-0") == (found.attempt, found.name)


def test_the_same_checkpoint_is_not_written_twice(cell: CellDir, attempt: AttemptDir) -> None:
    writer = checkpoint.Checkpoints(cell, attempt)
    writer.write("1-0", {"number": 1}, None)
    writer.write("1-0", {"number": 2}, None)
    assert checkpoint.decode(attempt.checkpoints / "1-0")["number"] == 1


def test_a_checkpoint_leaves_no_temporary(cell: CellDir, attempt: AttemptDir) -> None:
    checkpoint.Checkpoints(cell, attempt).write("1-0", STATE, filled(new_replay(), 2))
    assert not list(cell.path.rglob(".*"))


# Replay segments


def test_each_row_is_written_once(cell: CellDir, attempt: AttemptDir) -> None:
    writer, replay = checkpoint.Checkpoints(cell, attempt), new_replay()
    for i in range(3):
        writer.write(f"{i}-0", STATE, filled(replay, 2))
    assert {"0-6", "6-12", "12-18"} == segments(attempt)
    writer.write("9-0", STATE, replay)  # no new rows, no new segment
    assert {"0-6", "6-12", "12-18"} == segments(attempt)


def test_the_replay_is_refilled_as_it_was(cell: CellDir, attempt: AttemptDir) -> None:
    writer, replay = checkpoint.Checkpoints(cell, attempt), new_replay(capacity=20)
    for i in range(12):
        replay.append(first=i == 0, last=False, obs=np.full(2, -i, np.float32))  # in progress
        filled(replay, 2, length=2 + i % 3)
        writer.write(f"{i}-0", STATE, replay)
        found = checkpoint.newest(cell)
        assert found is not None
        restored = new_replay(capacity=20)
        checkpoint.load_replay(cell, found.state["segments"], restored)
        assert replay.rows_written == restored.rows_written
        assert replay.oldest_row == restored.oldest_row
        assert same(rows(replay), rows(restored))
        draws = [r.sample(np.random.default_rng(i), 50, 2) for r in (replay, restored)]
        assert same(*draws)


def test_a_segment_goes_when_no_kept_checkpoint_names_it(
    cell: CellDir, attempt: AttemptDir
) -> None:
    writer, replay = checkpoint.Checkpoints(cell, attempt), new_replay(capacity=6)
    writer.write("1-0", STATE, filled(replay, 2))
    writer.write("2-0", STATE, filled(replay, 2))  # the ring holds rows 6 to 12
    assert {"0-6", "6-12"} == segments(attempt)  # the older checkpoint still names the first
    writer.write("3-0", STATE, filled(replay, 1))  # rows 9 to 15
    assert {"6-12", "12-15"} == segments(attempt)
    writer.write("4-0", STATE, filled(replay, 1))  # rows 12 to 18
    assert {"6-12", "12-15", "15-18"} == segments(attempt)


def test_segments_of_earlier_attempts_stay_while_named(cell: CellDir, attempt: AttemptDir) -> None:
    replay = new_replay(capacity=6)
    checkpoint.Checkpoints(cell, attempt).write("1-0", STATE, filled(replay, 2))
    found = checkpoint.newest(cell)
    assert found is not None
    second = ownership.claim(cell, {}, number=2)
    writer = checkpoint.Checkpoints(cell, second, found.state["segments"])
    writer.write("2-0", STATE, filled(replay, 1))
    assert ({"0-6"}, {"6-9"}) == (segments(attempt), segments(second))
    writer.write("3-0", STATE, filled(replay, 3))
    writer.write("4-0", STATE, filled(replay, 1))
    assert segments(attempt) == set()
    assert names(attempt) == set()


def test_a_segment_whose_checkpoint_never_came_goes_later(
    cell: CellDir, attempt: AttemptDir
) -> None:
    replay = filled(new_replay(), 2)
    checkpoint.Checkpoints(cell, attempt).write("1-0", STATE, replay)
    orphan = attempt.replay / "6-9.safetensors"
    orphan.write_bytes(b"killed before the checkpoint")
    second = ownership.claim(cell, {}, number=2)
    found = checkpoint.newest(cell)
    assert found is not None
    writer = checkpoint.Checkpoints(cell, second, found.state["segments"])
    writer.write("2-0", STATE, filled(replay, 1))
    assert not orphan.exists()


def test_an_owner_that_was_taken_over_removes_nothing_of_its_successor(
    cell: CellDir, attempt: AttemptDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been paused after its last look whether it still owns the cell."""
    replay = filled(new_replay(), 2)
    old_owner = checkpoint.Checkpoints(cell, attempt)
    old_owner.write("1-0", STATE, replay)
    found = checkpoint.newest(cell)
    assert found is not None
    second = ownership.claim(cell, {}, number=2)
    successor = checkpoint.Checkpoints(cell, second, found.state["segments"])
    real = record.publish_folder

    def meanwhile(*args: Any) -> bool:
        monkeypatch.setattr(record, "publish_folder", real)
        old_owner.write("2-0", STATE, replay)  # between our segment and our checkpoint
        return real(*args)

    monkeypatch.setattr(record, "publish_folder", meanwhile)
    successor.write("2-0", STATE, filled(replay, 1))
    found = checkpoint.newest(cell)
    assert found is not None
    assert (second, ()) == (found.attempt, found.damaged)


# Damage


def cut(data: bytes) -> Iterable[bytes]:
    return (data[:-n] for n in (1, 2, 10, len(data) // 2, len(data)))


def flip(data: bytes) -> Iterable[bytes]:
    places = np.random.default_rng(0).choice(len(data), 20, replace=False)
    return (data[:p] + bytes([data[p] ^ 0x10]) + data[p + 1 :] for p in map(int, places))


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize("file", ["state.json", "state.safetensors", "segment"])
def test_a_damaged_checkpoint_gives_way_to_the_previous_one(
    cell: CellDir, attempt: AttemptDir, file: str, damage: Callable[[bytes], Iterable[bytes]]
) -> None:
    writer, replay = checkpoint.Checkpoints(cell, attempt), new_replay()
    writer.write("1-0", {**STATE, "number": 1}, filled(replay, 2))
    writer.write("2-0", {**STATE, "number": 2}, filled(replay, 2))
    newest = attempt.checkpoints / "2-0"
    path = attempt.replay / "6-12.safetensors" if file == "segment" else newest / file
    whole = path.read_bytes()
    for data in damage(whole):
        path.write_bytes(data)
        found = checkpoint.newest(cell)
        assert found is not None
        assert (found.name, found.state["number"]) == ("1-0", 1)
        (reason,) = found.damaged
        assert str(path) in reason
        assert "damaged" in reason
    path.unlink()
    found = checkpoint.newest(cell)
    assert found is not None
    assert found.name == "1-0"
    path.write_bytes(whole)
    found = checkpoint.newest(cell)
    assert found is not None
    assert (found.name, found.damaged) == ("2-0", ())


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 100])
def test_two_damaged_checkpoints_stop(cell: CellDir, attempt: AttemptDir, damage: bytes) -> None:
    writer = checkpoint.Checkpoints(cell, attempt)
    for name in ("1-0", "2-0"):
        writer.write(name, STATE, None)
        (attempt.checkpoints / name / "state.json").write_bytes(damage)
    with pytest.raises(DamagedFile, match=r"(?s)no checkpoint of learner.*2-0.*1-0") as error:
        checkpoint.newest(cell)
    assert str(error.value).count("state.json") == 2


def test_a_damaged_checkpoint_does_not_displace_the_sound_ones(
    cell: CellDir, attempt: AttemptDir
) -> None:
    """Two that can be read stay: one damaged in between must not leave the newest alone."""
    writer, replay = checkpoint.Checkpoints(cell, attempt), new_replay()
    writer.write("1-0", STATE, filled(replay, 2))
    writer.write("2-0", STATE, filled(replay, 2))
    (attempt.checkpoints / "2-0" / "state.json").write_bytes(b"")
    found = checkpoint.newest(cell)
    assert found is not None
    second = ownership.claim(cell, {}, number=2)
    writer = checkpoint.Checkpoints(cell, second, found.state["segments"])
    writer.write("3-0", STATE, replay)
    (second.checkpoints / "3-0" / "state.json").write_bytes(b"")
    found = checkpoint.newest(cell)
    assert found is not None
    assert found.name == "1-0"


# Files from outside


class Malicious:
    """Unpickled, it creates a file."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._canary}",)


@pytest.fixture(params=["pickle", "torch"])
def malicious(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    """A file that runs a command when it is unpickled."""
    content = pickle.dumps(Malicious(tmp_path / "canary"))
    if request.param == "pickle":
        return content
    torch = pytest.importorskip("torch")
    torch.save(Malicious(tmp_path / "canary"), tmp_path / "file.pt")
    return (tmp_path / "file.pt").read_bytes()


def test_the_malicious_pickle_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Malicious(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


def test_a_pickle_in_place_of_weights_is_refused(tmp_path: Path, malicious: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(malicious)
    with pytest.raises(DamagedFile, match=r"weights\.safetensors is not a safetensors file"):
        checkpoint.read_weights(path)
    assert not (tmp_path / "canary").exists()


def test_a_pickle_in_place_of_a_checkpoint_is_refused(
    tmp_path: Path, cell: CellDir, attempt: AttemptDir, malicious: bytes
) -> None:
    """Even when whoever put it there made the checksums fit."""
    checkpoint.Checkpoints(cell, attempt).write("1-0", STATE, None)
    folder = attempt.checkpoints / "1-0"
    for path in folder.iterdir():
        whole = path.read_bytes()
        path.write_bytes(malicious)
        with pytest.raises(DamagedFile):
            checkpoint.newest(cell)
        path.write_bytes(whole)
    row = record.decode_line((folder / "state.json").read_bytes())
    assert row is not None
    row["sha256"] = hashlib.sha256(malicious).hexdigest()
    (folder / "state.json").write_bytes(record.encode_line(row))
    (folder / "state.safetensors").write_bytes(malicious)
    with pytest.raises(DamagedFile):
        checkpoint.newest(cell)
    assert not (tmp_path / "canary").exists()


# Weights


def test_weights_come_back(tmp_path: Path) -> None:
    weights: dict[str, NDArray[Any]] = {
        "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "b": np.zeros(0),
    }
    path = tmp_path / "weights.safetensors"
    checkpoint.write_weights(path, weights, {})
    found = checkpoint.read_weights(path)
    assert same({name: np.ascontiguousarray(array) for name, array in weights.items()}, found)
    checkpoint.write_weights(path, {}, {"agent": "x"})
    assert checkpoint.read_weights(path) == {}
    assert checkpoint.read_description(path) == {"agent": "x"}


def test_damaged_weights_are_said(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    checkpoint.write_weights(path, {"a": np.arange(6.0)}, {})
    whole = path.read_bytes()
    for data in cut(whole):
        path.write_bytes(data)
        with pytest.raises(DamagedFile, match=r"weights\.safetensors"):
            checkpoint.read_weights(path)
    path.unlink()
    with pytest.raises(DamagedFile, match=os.strerror(errno.ENOENT)):
        checkpoint.read_weights(path)


@given(data=st.binary(max_size=100), length=st.integers(0, 100))
def test_weights_of_anything_are_read_or_said_to_be_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + data)
    with contextlib.suppress(DamagedFile):
        checkpoint.read_weights(path)


def test_weights_of_an_unknown_type_are_said_to_be_damaged(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(DamagedFile, match=r"weights\.safetensors"):
        checkpoint.read_weights(path)
