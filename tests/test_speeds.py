"""Speeds are measured once per machine, settings and versions, and kept."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tdmpc2_bench import plan, protocol, speeds
from tdmpc2_bench.experiment import resolve
from tdmpc2_bench.job import Job

AGENT = {
    "act_random": 1.0, "act": 2.0, "evaluate": 3.0, "update": 4.0, "seed_steps": 5, "burst": 6,
    "updates_per_step": 1.0, "modes": 1, "row": 8, "capacity": 9, "checkpoint": 10, "weights": 11,
    "memory": 12,
}  # fmt: skip
TASK = {"step": 0.5, "first": 13, "further": 14}

# Answers requests for agents and tasks, notes each, and fails for one of them.
STAND_IN = """
import json, os, sys
agent, task, notes, broken = sys.argv[1:5]
request = json.loads(sys.argv[5])
with open(notes, "a") as file:
    file.write(f"{request.get('agent', '')} {request['task']} {os.environ['OMP_NUM_THREADS']}\\n")
if broken and broken in (request.get("agent"), request["task"]):
    sys.exit("it broke")
print(agent if "agent" in request else task)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Machine:
    """A stand-in for measuring."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes.txt"
        self._notes.touch()

    def speeds(self, jobs: Sequence[Job], *, broken: str = "", **options: Any) -> Any:
        command = [sys.executable, "-P", "-c", STAND_IN, json.dumps(AGENT), json.dumps(TASK)]
        return speeds.of_jobs(jobs, command=[*command, str(self._notes), broken], **options)

    @property
    def measured(self) -> list[str]:
        """What was measured since the last look."""
        lines = self._notes.read_text().splitlines()
        self._notes.write_text("")
        return lines


def jobs(**described: Any) -> list[Job]:
    return plan.jobs([resolve({"agents": "uniform", "seeds": 1, **described})])


def test_what_seeds_and_alike_tasks_share_is_measured_once(tmp_path: Path) -> None:
    """walker-walk and walker-run have the same sizes and settings; cup-catch has others."""
    machine = Machine(tmp_path)
    found = machine.speeds(jobs(tasks="walker-walk,walker-run,cup-catch", seeds="1-3"))
    assert len(found) == 9 and all(one == found[0] for one in found)
    assert found[0].agent == speeds.AgentSpeed(**AGENT) and found[0].unknown == ()
    measured = machine.measured
    assert sorted(measured[k] for k in range(5) if measured[k][0] == " ") == [
        " cup-catch 1", " walker-run 1", " walker-walk 1"
    ]  # fmt: skip
    assert len([line for line in measured if line.startswith("uniform")]) == 2


def test_known_speeds_are_not_measured_again_unless_asked(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    said: list[str] = []
    first = machine.speeds(jobs(tasks="toy-point"), say=said.append)
    assert len(said) == 2 and "toy-point" in said[0]
    assert len(machine.measured) == 2
    assert machine.speeds(jobs(tasks="toy-point"), say=said.append) == first
    assert machine.measured == [] and len(said) == 2
    machine.speeds(jobs(tasks="toy-point"), anew=True)
    assert len(machine.measured) == 2


@pytest.mark.parametrize("what", ["threads", "version", "episodes"])
def test_speeds_hold_only_for_what_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    machine = Machine(tmp_path)
    machine.speeds(jobs(tasks="toy-point"))
    assert len(machine.measured) == 2
    if what == "threads":
        machine.speeds(jobs(tasks="toy-point"), threads=2)
        assert machine.measured == ["uniform toy-point 2", " toy-point 2"]
    elif what == "version":
        monkeypatch.setattr(protocol, "learning_versions", lambda: {"torch": "77"})
        machine.speeds(jobs(tasks="toy-point"))
        assert len(machine.measured) == 2
    else:
        machine.speeds(jobs(tasks="toy-point", eval_episodes=3))
        assert machine.measured == ["uniform toy-point 1"]


@pytest.mark.parametrize("broken", ["uniform", "toy-point"])
def test_what_cannot_be_measured_says_why_and_is_tried_again(tmp_path: Path, broken: str) -> None:
    machine = Machine(tmp_path)
    (found,) = machine.speeds(jobs(tasks="toy-point"), broken=broken)
    assert found.unknown and all("it broke" in reason for reason in found.unknown)
    assert all("toy-point: " in reason for reason in found.unknown)
    assert found.agent is None
    (found,) = machine.speeds(jobs(tasks="toy-point"))
    assert found.unknown == () and found.task is not None


def test_where_nothing_can_be_kept_speeds_are_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (found,) = Machine(tmp_path).speeds(jobs(tasks="toy-point"))
    assert found.unknown == () and found.agent is not None
    assert "measured speeds are not kept" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 2, "measured": 3}'])
def test_a_cache_that_cannot_be_read_is_measured_anew(tmp_path: Path, content: str) -> None:
    machine = Machine(tmp_path)
    speeds.CACHE.path.parent.mkdir(parents=True)
    speeds.CACHE.path.write_text(content)
    (found,) = machine.speeds(jobs(tasks="toy-point"))
    assert found.unknown == () and len(machine.measured) == 2
    machine.speeds(jobs(tasks="toy-point"))
    assert machine.measured == []
