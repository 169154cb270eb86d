"""Plans are divided without a loss, and told before anything is begun."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tdmpc2_bench
from tdmpc2_bench import plan
from tdmpc2_bench.cli import call
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.experiment import resolve

UNIFORM = ["plan", "--task", "toy-point,toy-plane", "--agent", "uniform", "--eval-episodes", "1"]


@given(parts=st.integers(1, 20), seeds=st.integers(1, 7))
def test_parts_together_are_the_whole_and_about_equally_long(parts: int, seeds: int) -> None:
    described = {"tasks": "dog-run,walker-run,mw-reach", "seeds": f"1-{seeds}"}
    planned = plan.jobs([resolve(described)])
    found = [plan.shard(planned, f"{k}/{parts}") for k in range(1, parts + 1)]
    cells = [job.cell for part in found for job in part]
    assert sorted(cells, key=str) == sorted((job.cell for job in planned), key=str)
    sums = [sum(job.steps for job in part) for part in found]
    assert max(sums) - min(sums) <= max(job.steps for job in planned)
    order = [job.cell for job in planned]
    assert all([j.cell for j in part] == [c for c in order if c in {j.cell for j in part}]
               for part in found)  # fmt: skip


@pytest.mark.parametrize("which", ["", "3", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_does_not_exist_is_refused(which: str) -> None:
    with pytest.raises(UsageError, match="expected a part like 3/16"):
        plan.shard([], which)


def test_run_trains_its_part_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "toy-point", "--agent", "uniform", "--seeds", "1-3", "--steps", "40"]
    options += ["--eval-every", "40", "--eval-episodes", "1", "--out", str(tmp_path)]
    assert call(["run", *options, "--shard", "2/2"]) == 0
    assert "1 finished" in capsys.readouterr().out
    assert call(["status", str(tmp_path), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts == {"done": 1, "missing": 2}
    assert call(["run", *options, "--shard", "1/2"]) == 0
    assert "2 finished" in capsys.readouterr().out


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_a_plan_is_told_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*UNIFORM, "--seeds", "1-2", "--workers", "2"]) == 0
    printed = capsys.readouterr()
    assert "all 4: " in printed.out and "with 2 workers" in printed.out
    assert "measuring" in printed.err
    assert call([*UNIFORM, "--seeds", "1-2", "--workers", "2", "--json"]) == 0
    printed = capsys.readouterr()
    assert "measuring" not in printed.err  # known by now
    found: dict[str, Any] = json.loads(printed.out)
    assert set(found) == {"cells", "groups", "total", "not_measured", "proposals"}
    hours = [cell["hours"] for cell in found["cells"]]
    assert len(hours) == 4 and hours == sorted(hours, reverse=True)
    (group,) = found["groups"]
    assert group["hours"] == pytest.approx(sum(hours))
    assert group["cells"] == 4 and group["env_steps"] == 4 * 4_000
    assert max(hours) <= found["total"]["hours"] <= sum(hours)
    assert found["proposals"] is None


@pytest.mark.usefixtures("own_cache")
def test_a_time_limit_is_kept_or_answered_with_proposals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call([*UNIFORM, "--budget", "100h"]) == 0
    assert "That fits into 100 h" in capsys.readouterr().out
    assert call([*UNIFORM, "--steps", "40M", "--budget", "0.1h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(one["hours"] <= 0.1 for one in found["proposals"])
    assert any(one["options"].startswith("--steps") for one in found["proposals"])
    assert call([*UNIFORM, "--budget", "6000m"]) == 0
    assert "That fits into 100 h" in capsys.readouterr().out
    for wrong in ("100", "h", "-3h", "0h", "3w"):
        assert call([*UNIFORM, "--budget", wrong]) == 1
        assert "expected a time like 30m, 100h or 3d" in capsys.readouterr().err


@pytest.mark.usefixtures("own_cache")
def test_the_same_from_python(tmp_path: Path) -> None:
    described = {"tasks": "toy-point", "agents": "uniform", "seeds": "1-3", "eval_episodes": 1}
    found = tdmpc2_bench.forecast(described, workers=3)
    assert len(found.costs) == 3
    assert found.seconds == max(cost.seconds for cost in found.costs) > 0
    path = tmp_path / "experiment.yaml"
    path.write_text(json.dumps(described))
    assert tdmpc2_bench.forecast(path, workers=3).seconds == found.seconds
