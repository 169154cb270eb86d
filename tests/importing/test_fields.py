"""What a field's text means, and that none takes long or passes for another."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdmpc2_bench.importing import fields


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), (" -2.5 ", -2.5), ("1e3", 1000), (".5", 0.5), ("5.", 5), ("+7", 7)],
)
def test_numbers_as_every_program_writes_them(text: str, value: float) -> None:
    assert fields.number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "=cmd()", "1,000", "1_000", "٣", "0x10", "1e99999", "<b>1</b>", "1 2", "9" * 100_000],
)
def test_all_else_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        fields.number(text)


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_what_is_not_finite_is_read_as_such(text: str) -> None:
    assert not math.isfinite(fields.number(text))


def test_a_billion_digits_are_refused_without_reading_them() -> None:
    began = time.process_time()
    for read in (fields.number, fields.step, fields.agent, lambda text: fields.count(text, "seed")):
        with pytest.raises(ValueError, match="expected"):
            read("1" * 30_000_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "scale", "steps"),
    [("100000", 1, 100_000), ("1e5", 1, 100_000), ("50", 2, 100), ("0.5", 2, 1)],
)
def test_steps_are_whole_environment_steps(text: str, scale: float, steps: int) -> None:
    assert fields.step(text, scale) == steps


@pytest.mark.parametrize("text", ["-1", "0.5", "nan", "inf", "1e13", "1e300", "ten"])
def test_other_steps_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        fields.step(text)


@pytest.mark.parametrize(("text", "plain"), [("9.1 ± 2", "9.1"), ("9±2.5", "9"), ("9 +/- 2", "9"), ("9 ± x", "9 ± x"), ("9", "9")])  # fmt: skip # noqa: E501
def test_a_spread_beside_a_value_is_set_aside(text: str, plain: str) -> None:
    assert fields.without_spread(text) == plain


@pytest.mark.parametrize("name", ["tdmpc2", "MR.Q", "TD-MPC2_v1", "BRO+"])
def test_names_of_harmless_letters(name: str) -> None:
    assert fields.agent(f" {name} ") == name


@pytest.mark.parametrize("name", ["", "<script>", "=cmd()", "../up", "a b", "a\n", "-x", "é", "a" * 65, "a,b"])  # fmt: skip # noqa: E501
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected an agent's name"):
        fields.agent(name.replace("\n", "\nb"))


def test_variants_may_say_settings() -> None:
    assert fields.variant("head,horizon=5") == "head,horizon=5"


@given(st.text())
def test_what_an_error_shows_is_short_and_printable(text: str) -> None:
    shown = fields.shown(text * 10)
    assert shown.isprintable() and shown.isascii() and len(shown) < 700
