"""A profile says what was measured, keeps it for `plan`, and asks only what an agent can tell."""

import json
from pathlib import Path
from typing import Any

import pytest

from tdmpc2_bench import plan, profiling, speeds
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.experiment import resolve

TINY = {
    "size": 1, "mlp_dim": 32, "enc_dim": 32, "latent_dim": 32, "num_samples": 32, "num_elites": 8,
    "num_pi_trajs": 4, "batch_size": 16, "iterations": 2, "seed_steps": 50,
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_an_agent_that_tells_of_its_parts_has_floors_and_shares() -> None:
    pytest.importorskip("torch")
    described: dict[str, Any] = {"tasks": "toy-point", "set": TINY, "eval_episodes": 2}
    found = profiling.profile(described)
    for name in ("act", "update"):
        least, median, most = (found[f"{name}_ms{s}"] for s in ("_least", "", "_most"))
        assert 0 < least <= median <= most
        assert found[f"{name}_ratio"] == pytest.approx(median / found[f"{name}_floor_ms"])
        assert found[f"{name}_ratio"] > 1
        assert sum(found[f"{name}_shares"].values()) == pytest.approx(1.0, abs=0.05)
    assert found["sample_ms"] > 0 and found["updates_per_step"] == 1.0
    slowest = found["env_step_ms"] + found["act_ms"] + found["update_ms"]
    assert found["agent_steps_per_s"] == pytest.approx(1000 / slowest)

    (job,) = plan.jobs([resolve({**described, "seeds": 1})])
    said: list[str] = []
    (known,) = speeds.of_jobs([job], say=said.append)
    assert said == [] and known.agent is not None and known.task is not None
    assert known.agent.updates_per_step == 1.0


def test_an_agent_without_them_is_timed_all_the_same() -> None:
    found = profiling.profile({"tasks": "toy-point", "agents": "uniform"})
    assert found["act_ms"] > 0 and found["log_ms"] > 0 and found["evaluate_ms"] > 0
    for name in ("update_ms", "act_floor_ms", "act_ratio", "act_shares", "sample_ms"):
        assert found[name] is None


def test_lanes_are_profiled_and_leave_what_plan_knows_alone() -> None:
    pytest.importorskip("torch")
    described: dict[str, Any] = {"tasks": "toy-point", "set": TINY, "eval_episodes": 2}
    found = profiling.profile(described, lanes=3)
    assert found["lanes"] == 3 and found["act_ratio"] > 0
    assert not speeds.CACHE.path.exists()


@pytest.mark.parametrize(
    ("described", "options", "message"),
    [
        ({"tasks": "toy-*"}, {}, "expected one agent and one task, got 2"),
        ({"tasks": "toy-point", "agents": "tdmpc2,uniform"}, {}, "got 2"),
        ({"tasks": "toy-point"}, {"lanes": 0}, "lanes: expected at least 1"),
        ({"tasks": "toy-point"}, {"threads": 0}, "threads: expected at least 1"),
        ({"tasks": "toy-pint"}, {}, "Did you mean 'toy-point'"),
    ],
)
def test_requests_that_cannot_work_are_refused(
    described: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        profiling.profile(described, **options)


def test_the_command_prints_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["profile", "--task", "toy-point", "--agent", "uniform"]
    assert call(arguments) == 0
    assert "agent steps/s" in capsys.readouterr().out
    assert call([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"act_ms", "update_ms", "act_floor_ms", "update_floor_ms", "memory"} <= set(found)
    assert (found["agent"], found["task"], found["threads"]) == ("uniform", "toy-point", 1)
