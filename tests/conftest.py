"""Fixtures shared by the tests of files, ownership and runners."""

from __future__ import annotations

import learner
import pytest
from hypothesis import HealthCheck, settings

from tdmpc2_bench import registry

# The same examples in every run, and no verdict on the speed of a shared machine.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
settings.load_profile("repeatable")


@pytest.fixture
def registered_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent name "learner" stands for the test learner."""
    monkeypatch.setattr(registry, "agent", learner.agent)
