"""What an env worker and its user say to each other: frames of bytes, numbers in fixed places.

A frame is a header and a payload. What is said at every step holds numbers only, in the byte order
of the machine that both run on; greetings, descriptions and errors are JSON. Whoever changes any of
it raises `PROTOCOL`.
"""

from __future__ import annotations

import enum
import json
import os
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench.env import Outcome

PROTOCOL = 1

_HEADER = struct.Struct("=QIIB7x")  # number of the request, bytes of payload, environment, kind
_HEADER_BYTES, _pack_header, _unpack_header = _HEADER.size, _HEADER.pack, _HEADER.unpack_from
_OUTCOME = struct.Struct("=dBB6x")  # reward, flags, type of the observation, which follows
_SHAPE = struct.Struct("=III4x")  # of a picture, which follows
_READ_BYTES = 1 << 16  # as much as a pipe holds

_TERMINATED, _TRUNCATED, _HAS_SUCCESS, _SUCCESS = (1 << bit for bit in range(4))
_TYPES = tuple(np.dtype(character) for character in "dfeg?bBhHiIlL")  # what an observation may be
_TYPE_NUMBERS = {dtype: number for number, dtype in enumerate(_TYPES)}


class Kind(enum.IntEnum):
    """What a frame is: a request, or the answer to one."""

    STEP = 1  # an action -> OUTCOME
    RESET = 2  # a seed, in decimal digits -> OUTCOME, of which only the observation counts
    RENDER = 3  # -> PICTURE
    BUILD = 4  # JSON: the task's name -> TOLD: what was built
    CLOSE = 5  # -> TOLD: nothing

    OUTCOME = 16
    PICTURE = 17
    TOLD = 18  # JSON
    ERROR = 19  # JSON: to any request


# A frame that has arrived: number of the request that it is or answers, environment, kind, payload.
Frame = tuple[int, int, int, bytes]


class Reader:
    """Takes what arrives through a pipe apart into frames."""

    def __init__(self, pipe: int) -> None:
        """Read from the file descriptor ``pipe``."""
        self._pipe = pipe
        self._unread = b""

    def take(self) -> Frame | None:
        """The next frame, if it has been read in full."""
        unread = self._unread
        if len(unread) < _HEADER_BYTES:
            return None
        request, size, environment, kind = _unpack_header(unread)
        end = _HEADER_BYTES + size
        if len(unread) < end:
            return None
        self._unread = unread[end:]
        return request, environment, kind, unread[_HEADER_BYTES:end]

    def read(self) -> bool:
        """Read what there is, waiting for it if there is nothing; False at the end."""
        data = os.read(self._pipe, _READ_BYTES)
        self._unread += data
        return bool(data)


def send(pipe: int, kind: Kind, environment: int, request: int, payload: bytes) -> None:
    """Write a frame."""
    data = _pack_header(request, len(payload), environment, kind) + payload
    written = os.write(pipe, data)
    while written < len(data):  # larger than what a pipe holds
        written += os.write(pipe, memoryview(data)[written:])


def pack_outcome(outcome: Outcome) -> bytes:
    """An outcome as a payload.

    Raises:
        TypeError: its observation is not made of plain numbers.
    """
    obs, reward, terminated, truncated, success = outcome
    number = _TYPE_NUMBERS.get(obs.dtype)
    if number is None:
        msg = f"expected an observation of numbers, got {obs.dtype}"
        raise TypeError(msg)
    flags = _TERMINATED * bool(terminated) | _TRUNCATED * bool(truncated)
    if success is not None:
        flags |= _HAS_SUCCESS | _SUCCESS * bool(success)
    return _OUTCOME.pack(reward, flags, number) + obs.tobytes()


def unpack_outcome(payload: bytes) -> Outcome:
    """The outcome in a payload; its observation is a view that cannot be written to."""
    reward, flags, number = _OUTCOME.unpack_from(payload)
    return Outcome(
        np.frombuffer(payload, _TYPES[number], offset=_OUTCOME.size),
        reward,
        flags & _TERMINATED != 0,
        flags & _TRUNCATED != 0,
        flags & _SUCCESS != 0 if flags & _HAS_SUCCESS else None,
    )


def pack_picture(picture: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 of three axes, as a payload."""
    return _SHAPE.pack(*picture.shape) + picture.tobytes()


def unpack_picture(payload: bytes) -> NDArray[np.uint8]:
    """The picture in a payload."""
    shape = _SHAPE.unpack_from(payload)
    return np.frombuffer(payload, np.uint8, offset=_SHAPE.size).reshape(shape).copy()


def pack_json(content: Mapping[str, Any]) -> bytes:
    """JSON values as a payload."""
    return json.dumps(content).encode()


def unpack_json(payload: bytes) -> dict[str, Any]:
    """The JSON values in a payload."""
    content: dict[str, Any] = json.loads(payload)
    return content
