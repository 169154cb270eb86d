"""The conditions of a result, and their fingerprint."""

import dataclasses
import importlib.metadata
from typing import Any

import pytest

from tdmpc2_bench import protocol, registry

TASK = registry.task("walker-walk")


def conditions(**changed: Any) -> dict[str, Any]:
    row = dataclasses.replace(TASK, **changed)
    return protocol.protocol(row, ["numpy"])


def test_equal_conditions_have_one_fingerprint_in_whatever_order() -> None:
    found = conditions()
    turned = dict(reversed(found.items()))
    assert protocol.fingerprint(found) == protocol.fingerprint(turned)
    assert len(protocol.fingerprint(found)) == 12


@pytest.mark.parametrize(
    "changed",
    [{"env_id": "walker/run"}, {"action_repeat": 1}, {"episode_steps": 500}, {"metric": "success"}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_changes_the_episodes_changes_the_fingerprint(changed: dict[str, Any]) -> None:
    assert protocol.fingerprint(conditions(**changed)) != protocol.fingerprint(conditions())


@pytest.mark.parametrize("changed", [{"budget": 7}, {"eval_every": 7}, {"tags": frozenset()}])
def test_how_long_one_trains_and_how_often_one_looks_does_not(changed: dict[str, Any]) -> None:
    assert protocol.fingerprint(conditions(**changed)) == protocol.fingerprint(conditions())


def test_a_suites_rules_are_part_of_the_protocol_and_win() -> None:
    found = protocol.protocol(TASK, [], {"reward": "v3", "scene": "anew"})
    assert found["reward"] == "v3" and found["scene"] == "anew"
    assert protocol.fingerprint(found) != protocol.fingerprint(protocol.protocol(TASK, []))


def test_versions_are_those_installed_and_none_where_there_is_none() -> None:
    found = protocol.versions(["numpy", "no-such-distribution"])
    assert found == {"numpy": importlib.metadata.version("numpy"), "no-such-distribution": None}
    assert protocol.versions(["numpy"], path=[]) == {"numpy": None}


def test_learning_depends_on_torch_numpy_and_what_an_agent_names() -> None:
    assert list(protocol.learning_versions(["click"])) == ["numpy", "torch", "click"]
