"""What is ManiSkill2's own, in the interpreter that it lives in.

pick-ycb and turn-faucet are played on stand-ins for their assets, and keep there what
`test_every_task` asks of the others.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stand_ins
from cells import finish
from learner import job
from promises import Make, Policy, Promises, assert_same, play

from tdmpc2_bench import record, registry
from tdmpc2_bench.env import FloatArray, TaskEnv
from tdmpc2_bench.errors import InvalidAction, SuiteUnavailable, UsageError
from tdmpc2_bench.suites import maniskill2_engine
from tdmpc2_bench.task import Task

try:
    PYTHON = registry.interpreter("maniskill2") or Path(sys.executable)
except SuiteUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

# Where the vector from the gripper to the cube stands in the observation.
TO_CUBE = {"lift-cube": slice(39, 42), "stack-cube": slice(46, 49)}
OBJECT_HEIGHT = 40  # entry of pick-ycb's observation


@pytest.fixture(scope="module", autouse=True)
def stand_in_assets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("assets")
    stand_ins.make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MS2_ASSET_DIR", str(folder))
        yield
    _used_env.cache_clear()


def grasp(task: Task) -> Policy:
    """Go above the cube, down to it, close the gripper and lift.

    Actions move the gripper along its own axes, of which y and z point the other way.
    """
    held = 0

    def act(obs: FloatArray) -> FloatArray:
        nonlocal held
        way = obs[TO_CUBE[task.name]].copy()
        if held or np.linalg.norm(way) < 0.02:
            held += 1
        elif np.linalg.norm(way[:2]) > 0.02:
            way[2] += 0.08
        if held > 4:
            way = np.array([0, 0, 1], np.float32)
        action = np.append(np.clip(5 * way, -1, 1), -1.0 if held > 2 else 1.0)
        return (action * [1, -1, -1, 1]).astype(np.float32)

    return act


@functools.cache
def _used_env(task: Task) -> TaskEnv:
    """Return an environment that other tests use too, which no test must notice."""
    return registry.make(task)


class TestOnStandIns(Promises):
    @pytest.fixture(scope="class", params=["pick-ycb", "turn-faucet"])
    @classmethod
    def make(cls, request: pytest.FixtureRequest) -> Make:
        """How the task's environment is built here."""
        return functools.partial(registry.make, registry.task(request.param))


def test_an_episode_that_is_over_takes_no_further_action() -> None:
    env = _used_env(registry.task("lift-cube"))
    play(env, seed=1, agent_steps=100)
    with pytest.raises(InvalidAction, match="reset"):
        env.step(np.zeros(env.task.action_dim, np.float32))


@pytest.mark.parametrize("name", TO_CUBE)
def test_cubes_that_were_grasped_leave_no_trace_in_the_next_episode(name: str) -> None:
    """In a scene that is not made anew they do."""
    task = registry.task(name)
    used = _used_env(task)
    play(used, seed=3, agent_steps=19, policy=grasp(task))
    assert_same(
        play(used, seed=5, agent_steps=50, policy=grasp(task)),
        play(registry.make(task), seed=5, agent_steps=50, policy=grasp(task)),
    )


def test_the_object_to_pick_is_drawn_for_every_episode() -> None:
    env = _used_env(registry.task("pick-ycb"))
    heights = {round(float(env.reset(seed=seed)[0][OBJECT_HEIGHT]), 2) for seed in range(8)}
    assert heights == {size[2] for size in stand_ins.BOXES.values()}


def test_success_is_the_dense_reward_and_no_end() -> None:
    """2.25 for each of two environment steps is LiftCube's, of which 1 is the normalised one."""
    task = registry.task("lift-cube")
    episode = play(_used_env(task), seed=5, agent_steps=100, policy=grasp(task))
    assert episode.success[-1] and not episode.success[0]
    first = episode.success.index(True)
    assert first < 60
    assert episode.rewards[-1] == pytest.approx(4.5)
    assert max(episode.rewards[:first]) <= 4.5
    assert (episode.terminated[-1], episode.truncated[-1]) == (False, True)


def test_it_is_drawn_where_there_is_a_vulkan_device_and_says_so_where_not() -> None:
    env = _used_env(registry.task("lift-cube"))
    env.reset(seed=1)
    assert env.frames_per_second == 10.0
    if env.facts["engine"] == "vulkan":
        assert env.render().shape == (512, 512, 3)
    else:
        with pytest.raises(UsageError, match="Vulkan device"):
            env.render()


@pytest.mark.usefixtures("registered_learner")
def test_the_engine_is_told_in_every_attempt(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path, task="lift-cube", steps=4, eval_every=4, eval_episodes=1))
    (built,) = [row for row in record.read_log(attempt.events).rows if row["event"] == "built"]
    assert built["engine"] == _used_env(registry.task("lift-cube")).facts["engine"]


def test_no_vulkan_driver_at_all_is_no_obstacle() -> None:
    """Sapien crashes where a light is set without one; it must be another process that does."""
    code = (
        "from tdmpc2_bench import registry\n"
        "env = registry.make(registry.task('lift-cube'))\n"
        "env.reset(seed=1)\n"
        "print(env.facts)"
    )
    assert _in_a_new_process(Path(sys.executable), code, VK_ICD_FILENAMES="/none") == (
        "{'engine': 'headless'}"
    )


def test_the_archives_are_those_that_maniskill2_would_fetch() -> None:
    code = (
        "import json, mani_skill2.utils.download_asset as theirs\n"
        "theirs.initialize_sources()\n"
        "names = ['ycb', *theirs.DATA_GROUPS['TurnFaucet-v0']]\n"
        "print(json.dumps([theirs.DATA_SOURCES[name] for name in names], default=str))"
    )
    folder = Path("/assets")
    told = json.loads(_in_a_new_process(PYTHON, code, MS2_ASSET_DIR=str(folder)))
    expected = {
        (one["url"], one.get("checksum"), Path(one.get("output_dir", folder)) / target)
        for one in told
        for target in [one.get("target_path") or Path(one["url"]).stem]
    }
    ours = [
        (archive.url, archive.sha256, folder / archive.content)
        for name in ("pick-ycb", "turn-faucet")
        for archive in stand_ins.assets(name).archives
    ]
    assert len(ours) == 61
    assert set(ours) == expected


def test_an_unknown_engine_reaches_whoever_asked_for_it() -> None:
    code = (
        "from tdmpc2_bench import errors, registry\n"
        "try:\n"
        "    registry.make(registry.task('lift-cube'))\n"
        "except errors.UsageError as error:\n"
        "    print(error)"
    )
    said = _in_a_new_process(Path(sys.executable), code, **{maniskill2_engine.VARIABLE: "metal"})
    assert "expected vulkan or headless" in said


def _in_a_new_process(python: Path, code: str, **environment: Any) -> str:
    done = subprocess.run(
        [python, "-P", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
