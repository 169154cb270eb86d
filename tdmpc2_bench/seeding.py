"""Where randomness comes from: every random stream has an address.

`stream(3, "walker-run", "replay")` depends on the seed and the words alone, so adding a purpose
never shifts another, and no two purposes share draws.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """The generator at an address.

    Args:
        seed: the cell's seed.
        path: what the numbers are for, from general to special: task, purpose, episode.
    """
    return np.random.Generator(np.random.PCG64(_digest(seed, *path)))


def integer(seed: int, *path: str | int) -> int:
    """A seed for something that takes a plain integer (a simulator), in [0, 2**31)."""
    return _digest(seed, *path) % 2**31


def _digest(seed: int, *path: str | int) -> int:
    # SHA-256, since Python's own hash() of strings differs from process to process.
    address = "\0".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(address.encode()).digest())
