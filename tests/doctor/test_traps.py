"""Known traps are named exactly where they are."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tdmpc2_bench.doctor import packages, traps

Versions = dict[str, str | None]

# Environments in which the simulators were measured, and the traps in them.
ONE: Versions = {
    "numpy": "1.23.5", "mujoco": "3.6.0", "dm_control": "1.0.38", "metaworld": "3.0.0",
    "mani_skill2": "0.5.3", "sapien": "2.2.2", "myosuite": "2.12.2", "gymnasium": "1.2.3",
    "pandas": "2.3.3", "arch": "7.2.0", "setuptools": "81.0.0", "packaging": "26.3",
}  # fmt: skip
MAIN: Versions = {
    "numpy": "2.4.6", "mujoco": "3.16.0", "dm_control": "1.0.49", "metaworld": "3.0.0",
    "myosuite": "3.0.0", "gymnasium": "1.2.3", "pandas": "2.3.3", "arch": "7.2.0",
    "setuptools": "84.2.1", "packaging": "26.3",
}  # fmt: skip
MANISKILL: Versions = {
    "numpy": "1.23.5", "gymnasium": "1.4.0", "mani_skill2": "0.5.3", "sapien": "2.2.2",
    "setuptools": "81.0.0", "packaging": "26.3",
}  # fmt: skip


def sprung(installed: Versions) -> set[str]:
    found = traps.findings(installed)
    return {name for name, finding in found.items() if finding.status == "broken"}


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (ONE, {"metaworld-dial-turn", "myosuite-2-seeds"}),
        (MAIN, set()),
        (MANISKILL, set()),
        ({}, set()),
    ],
)
def test_environments_that_were_measured_have_the_traps_they_had(
    installed: Versions, expected: set[str]
) -> None:
    assert sprung(installed) == expected


def test_the_projects_own_versions_fall_into_no_trap() -> None:
    assert sprung(dict(packages.pins())) == set()


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        (
            "dm_control-mujoco-4",
            [{"dm_control": "1.0.50", "mujoco": "4.0.0"}, {"mujoco": "4.0.1"}],
            [{"mujoco": "3.17.0"}, {"dm_control": "1.0.51", "mujoco": "4.0.0"}],
        ),
        (
            "metaworld-mujoco-3.17",
            [{"mujoco": "3.17.0"}, {"mujoco": "3.18.0"}],
            [{"mujoco": "3.16.9"}, {"metaworld": "3.0.1", "mujoco": "3.17.0"}],
        ),
        (
            "metaworld-dial-turn",
            [{"mujoco": "3.5.0"}, {"mujoco": "3.6.0"}],
            [{"mujoco": "3.4.0"}, {"mujoco": "3.7.0"}, {"metaworld": None, "mujoco": "3.6.0"}],
        ),
        (
            "metaworld-myosuite",
            [{"metaworld": "3.1.1"}, {"metaworld": "3.1.1", "myosuite": "2.12.0"}],
            [{"myosuite": "2.12.0"}, {"metaworld": "3.1.1", "myosuite": "2.11.6"}],
        ),
        (
            "metaworld-packaging",
            [{"packaging": None}],
            [{"packaging": "20.0"}, {"metaworld": None, "packaging": None}],
        ),
        (
            "myosuite-2-seeds",
            [{"myosuite": "2.12.2"}, {"myosuite": "2.11.6"}],
            [{"myosuite": "3.0.1"}, {"myosuite": None}],
        ),
        (
            "myosuite-gymnasium-1.3",
            [{"gymnasium": "1.3.0"}, {"gymnasium": "1.4.0", "myosuite": "2.12.2"}],
            [{"gymnasium": "1.2.3"}, {"gymnasium": "1.3.0", "myosuite": "3.0.1"}],
        ),
        (
            "sapien-numpy-2",
            [{"sapien": "2.2.2"}, {"sapien": "2.2.2", "numpy": "2.0.0"}],
            [{"sapien": "2.2.2", "numpy": "1.26.4"}, {"sapien": "3.0.0"}],
        ),
        (
            "sapien-setuptools-82",
            [{"sapien": "2.2.2", "setuptools": "82.0.0"}],
            [{"sapien": "2.2.2", "setuptools": "81.0.0"}, {"sapien": "2.2.2", "setuptools": None}],
        ),
        (
            "arch-pandas-3",
            [{"pandas": "3.0.0"}, {"pandas": "3.1.1+local"}],
            [{"pandas": "2.3.3"}, {"pandas": "3.1.1", "arch": "8.0.0"}],
        ),
    ],
)
def test_a_trap_is_where_its_versions_are_and_nowhere_else(
    name: str, inside: list[Versions], outside: list[Versions]
) -> None:
    """Each case is the main environment with a few other versions."""
    for changed in inside:
        assert name in sprung(MAIN | changed), changed
    for changed in outside:
        assert name not in sprung(MAIN | changed), changed


def test_every_trap_is_tested() -> None:
    (cases,) = (
        mark.args[1]
        for mark in test_a_trap_is_where_its_versions_are_and_nowhere_else.pytestmark  # type: ignore[attr-defined]
    )
    assert [case[0] for case in cases] == [trap.name for trap in traps.TRAPS]


def test_a_finding_names_versions_consequence_and_cure() -> None:
    found = traps.findings({"sapien": "2.2.2", "setuptools": "84.2.1"})["sapien-setuptools-82"]
    assert found.found == "sapien 2.2.2 with setuptools 84.2.1"
    assert "No module named 'pkg_resources'" in found.reason
    assert found.reason.endswith('cure: pip install "setuptools<82"')


def test_other_spellings_of_a_distribution_are_the_same() -> None:
    assert sprung({"dm-control": "1.0.49", "MuJoCo": "4.0.0"}) == {"dm_control-mujoco-4"}


def test_cures_lead_to_the_versions_that_were_tested() -> None:
    pins = packages.pins()
    for trap in traps.TRAPS:
        for text in re.findall(r"[\w-]+==[\d.]+\d", trap.cure):
            cure = Requirement(text)
            name = canonicalize_name(cure.name)
            assert name not in pins or cure.specifier.contains(pins[name]), text
