"""Random streams by address."""

import subprocess
import sys

from tdmpc2_bench import seeding


def test_equal_addresses_give_equal_numbers_and_others_do_not() -> None:
    draws = {
        path: seeding.stream(*path).integers(2**62)  # type: ignore[arg-type]
        for path in [
            (1, "a"),
            (2, "a"),
            (1, "b"),
            (1, "a", "b"),
            (1, "ab"),
            (1, "a", 1),
            (1, "a", 11),
        ]
    }
    assert len(set(draws.values())) == len(draws)
    assert seeding.stream(1, "a").integers(2**62) == draws[1, "a"]


def test_addresses_mean_the_same_in_every_process() -> None:
    code = "from tdmpc2_bench import seeding; print(seeding.integer(3, 'walker-run', 'train', 0))"
    command = [sys.executable, "-P", "-c", code]
    found = {subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)}
    assert found == {f"{seeding.integer(3, 'walker-run', 'train', 0)}\n".encode()}


def test_integers_suit_every_simulator() -> None:
    assert all(0 <= seeding.integer(1, "x", i) < 2**31 for i in range(1000))
