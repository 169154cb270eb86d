"""A variant has one name, and a name one variant."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tdmpc2_bench import variant
from tdmpc2_bench.baselines.tdmpc2.config import DEFAULT_PRESET, PRESETS, SIZES, TDMPC2Config
from tdmpc2_bench.errors import UnknownName, UsageError


def name(preset: str = "paper", **overrides: Any) -> str:
    return variant.name(PRESETS, DEFAULT_PRESET, preset, overrides)


def parse(**items: str) -> dict[str, Any]:
    return variant.parse_overrides(TDMPC2Config, items, agent="tdmpc2")


# Names


@pytest.mark.parametrize(
    ("preset", "overrides", "expected"),
    [
        ("paper", {}, "default"),
        ("head", {}, "head"),
        ("paper", {"horizon": 5}, "horizon=5"),
        ("head", {"num_q": 2, "horizon": 5}, "head,horizon=5,num_q=2"),
        ("paper", {"size": 1}, "size=1"),
        ("paper", {"mpc": False, "lr": 1e-3}, "lr=0.001,mpc=off"),
        ("paper", {"lr": 1e-5}, "lr=1e-05"),
        ("paper", {"entropy": "gaussian"}, "entropy=gaussian"),
        ("head", {"entropy": "squashed"}, "head,entropy=squashed"),
    ],
)
def test_a_name_says_what_differs(preset: str, overrides: dict[str, Any], expected: str) -> None:
    assert expected == name(preset, **overrides)


@pytest.mark.parametrize(
    ("preset", "overrides", "expected"),
    [
        ("paper", {"size": 5}, "default"),
        ("paper", {"num_q": 5}, "default"),
        ("paper", {"size": 5, "latent_dim": 512, "num_q": 5}, "default"),
        ("paper", {"horizon": 3, "lr": 3e-4, "mpc": True}, "default"),
        ("head", {"entropy": "gaussian"}, "head"),
        ("paper", {"size": 1, "num_q": 2}, "size=1"),  # follows from the size
        ("paper", {"size": 1, "num_q": 5}, "num_q=5,size=1"),  # it does not
        ("paper", {"size": 1, "simnorm_dim": 8, "latent_dim": 128}, "size=1"),
    ],
)
def test_a_value_that_is_the_presets_own_is_not_named(
    preset: str, overrides: dict[str, Any], expected: str
) -> None:
    assert expected == name(preset, **overrides)


def test_a_value_that_only_works_with_another_is_named_with_it() -> None:
    both: dict[str, Any] = {"latent_dim": 20, "simnorm_dim": 4}  # eight does not divide twenty
    assert name(**both) == "latent_dim=20,simnorm_dim=4"


MANY: dict[str, Any] = {
    "size": 1, "mlp_dim": 32, "enc_dim": 32, "latent_dim": 16, "num_samples": 32, "num_elites": 8,
    "num_pi_trajs": 4, "batch_size": 16,
}  # fmt: skip


def test_a_long_name_is_shortened_and_stays_its_own() -> None:
    names = {name(**{**MANY, "seed_steps": steps}) for steps in range(100, 300)}
    assert len(names) == 200
    assert {80} == {len(one) for one in names}
    assert all(one.startswith("batch_size=16,enc_dim=32,") for one in names)


def test_the_order_of_settings_does_not_matter() -> None:
    assert name(**MANY) == name(**dict(reversed(MANY.items())))


FIELDS = {
    "size": st.sampled_from(sorted(SIZES)),
    "num_q": st.sampled_from([2, 5, 8]),
    "latent_dim": st.sampled_from([128, 512, 513, 1376]),
    "simnorm_dim": st.sampled_from([1, 8, 27]),
    "mlp_dim": st.sampled_from([384, 512, 1024]),
    "enc_layers": st.sampled_from([2, 3]),
    "entropy": st.sampled_from(["squashed", "gaussian"]),
    "mpc": st.booleans(),
    "horizon": st.integers(1, 12),
    "lr": st.floats(1e-6, 1.0),
    "rho": st.sampled_from([0.5, 1, 1.0]),
    "discount": st.sampled_from([0.5, 0.50000001, 0.99]),
    "seed_steps": st.integers(1, 2_000),
    "capacity": st.integers(1, 10**9),
}


def expanded(preset: str, overrides: dict[str, Any]) -> dict[str, Any] | None:
    """All settings; None where they cannot work together."""
    try:
        config: Any = variant.configure(PRESETS, preset, overrides).expanded()
    except UsageError:
        return None
    return dataclasses.asdict(config)


choices = st.tuples(st.sampled_from(sorted(PRESETS)), st.fixed_dictionaries({}, optional=FIELDS))


@given(first=choices, second=choices)
def test_different_settings_never_share_a_name(first: Any, second: Any) -> None:
    found = []
    for preset, overrides in (first, second):
        config = expanded(preset, overrides)
        assume(config is not None)
        found.append((config, name(preset, **overrides)))
    (config_1, name_1), (config_2, name_2) = found
    assert config_1 == config_2 or name_1 != name_2


@given(choice=choices)
def test_a_name_is_a_plain_folder_name_and_says_enough(choice: Any) -> None:
    """What is left out changes nothing."""
    preset, overrides = choice
    config = expanded(preset, overrides)
    assume(config is not None)
    text = name(preset, **overrides)
    assert len(text) <= 80
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz_0123456789=,.-+~")
    if "~" in text:
        return
    parts = [] if text == "default" else text.split(",")
    named = dict(part.split("=") for part in parts if "=" in part)
    again = variant.parse_overrides(TDMPC2Config, named, agent="tdmpc2")
    presets = [part for part in parts if "=" not in part] or [DEFAULT_PRESET]
    assert [preset] == presets
    assert config == expanded(preset, again)


# Settings


def test_settings_become_values_of_their_types() -> None:
    found = parse(
        size="1",
        horizon="5",
        lr="1e-3",
        mpc="off",
        entropy="gaussian",
        seed_steps="2.5k",
        latent_dim="64",
        discount="0.9",
    )
    expected = {
        "size": 1,
        "horizon": 5,
        "lr": 1e-3,
        "mpc": False,
        "entropy": "gaussian",
        "seed_steps": 2500,
        "latent_dim": 64,
        "discount": 0.9,
    }
    assert expected == found
    assert [type(value) for value in expected.values()] == [type(v) for v in found.values()]


@pytest.mark.parametrize("text", ["on", "true", "True", "ON"])
def test_yes_has_several_spellings(text: str) -> None:
    assert parse(mpc=text) == {"mpc": True}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"horizn": "5"}, "no setting of agent tdmpc2 named 'horizn'. Did you mean 'horizon'"),
        ({"seed_step": "5"}, "'seed_steps'"),
        ({"zzz": "5"}, "There are: size, "),
        ({"entropy": "gausian"}, "no value of entropy named 'gausian'. Did you mean 'gaussian'"),
        ({"size": "7"}, "Expected one of 1, 5, 19, 48, 317"),
        ({"horizon": "2.5"}, "'2.5' is no whole number"),
        ({"horizon": ""}, "no whole number"),
        ({"lr": "fast"}, "lr=fast: expected a float"),
        ({"discount": "high"}, "discount=high: expected a float"),
        ({"mpc": "maybe"}, "mpc=maybe: expected on or off"),
    ],
)
def test_a_wrong_setting_is_said_with_what_was_expected(
    items: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        parse(**items)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_a_setting_is_a_finite_number(text: str) -> None:
    """Nothing else could be compared with what a cell was begun with."""
    with pytest.raises(UsageError, match="lr="):
        parse(lr=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5000", 5_000), ("5k", 5_000), ("5K", 5_000), ("1.5M", 1_500_000), ("2m", 2_000_000),
        ("1e6", 1_000_000), ("1_000", 1_000), (" 7 ", 7), ("0", 0), ("0.5k", 500),
    ],
)  # fmt: skip
def test_counts_may_be_short(text: str, expected: int) -> None:
    assert expected == variant.parse_count(text)


@pytest.mark.parametrize("text", ["", "k", "1.5", "5kk", "five", "nan", "inf", "1e999", "0.0001k"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no whole number"):
        variant.parse_count(text)


def test_presets_are_configured_by_name() -> None:
    assert PRESETS["head"] == variant.configure(PRESETS, "head", {})
    expected = dataclasses.replace(PRESETS["head"], horizon=5)
    assert expected == variant.configure(PRESETS, "head", {"horizon": 5})
    with pytest.raises(UnknownName, match=r"no preset named 'papr'\. Did you mean 'paper'"):
        variant.configure(PRESETS, "papr", {})
