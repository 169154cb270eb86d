"""Fixtures shared by the tests of files, ownership and runners."""

from __future__ import annotations

import learner
import pytest

from tdmpc2_bench import registry


@pytest.fixture
def registered_learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent name "learner" stands for the test learner."""
    monkeypatch.setattr(registry, "agent", learner.agent)
