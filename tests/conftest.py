"""Fixtures shared by the tests of files, ownership and runners."""

from __future__ import annotations

from pathlib import Path

import learner
import pytest
from hypothesis import HealthCheck, settings

from tdmpc2_bench import interpreters, registry

pytest.register_assert_rewrite("promises")

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
def toy_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy tasks can only be listed."""
    monkeypatch.delattr(registry.suite("toy"), "make")


@pytest.fixture
def registered_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent name "learner" stands for the test learner."""
    monkeypatch.setattr(registry, "agent", learner.agent)


@pytest.fixture
def no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No suite has an interpreter of its own, as for a user who has set up nothing."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in registry.SUITES:
        monkeypatch.delenv(interpreters.variable(name), raising=False)
