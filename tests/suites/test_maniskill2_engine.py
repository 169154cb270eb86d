"""The engine is chosen without risk to whoever asks. Neither sapien nor ManiSkill2 is needed."""

from collections.abc import Iterator

import pytest

from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.suites import maniskill2_engine
from tdmpc2_bench.suites.maniskill2_engine import VARIABLE, choose


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(VARIABLE, raising=False)
    maniskill2_engine._finds_device.cache_clear()
    yield
    maniskill2_engine._finds_device.cache_clear()


@pytest.mark.parametrize(
    ("program", "engine"),
    [
        ("pass", "vulkan"),
        ("raise RuntimeError('Cannot find a suitable rendering device')", "headless"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "headless"),
        ("import time; time.sleep(60)", "headless"),
    ],
)
def test_what_draws_is_used_and_what_fails_crashes_or_hangs_is_not(
    program: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maniskill2_engine, "_PROGRAM", program)
    monkeypatch.setattr(maniskill2_engine, "_SECONDS", 1.0)
    assert choose() == engine


def test_it_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maniskill2_engine, "_PROGRAM", "pass")
    assert choose() == "vulkan"
    monkeypatch.setattr(maniskill2_engine, "_PROGRAM", "raise SystemExit(1)")
    assert choose() == "vulkan"


@pytest.mark.parametrize("engine", ["vulkan", "headless"])
def test_the_user_may_name_it(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maniskill2_engine.subprocess, "run", pytest.fail)
    monkeypatch.setenv(VARIABLE, engine)
    assert choose() == engine


def test_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "opengl")
    with pytest.raises(UsageError, match="'opengl'; expected vulkan or headless"):
        choose()
