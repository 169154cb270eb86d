"""Every ManiSkill2 task keeps what the harness promises, in the interpreter that it lives in.

pick-ycb and turn-faucet are played on stand-ins for their assets.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import stand_ins
from cells import finish
from gymnasium.utils.env_checker import check_env
from learner import job

from tdmpc2_bench import record, registry
from tdmpc2_bench.env import FloatArray, TaskEnv
from tdmpc2_bench.errors import InvalidAction, SuiteUnavailable, UsageError
from tdmpc2_bench.suites import maniskill2, maniskill2_engine
from tdmpc2_bench.task import Task

try:
    PYTHON = registry.interpreter("maniskill2") or Path(sys.executable)
except SuiteUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

each_task = pytest.mark.parametrize("task", maniskill2.TASKS, ids=lambda task: task.name)
# Where the vector from the gripper to the cube stands in the observation.
TO_CUBE = {"lift-cube": slice(39, 42), "stack-cube": slice(46, 49)}
OBJECT_HEIGHT = 40  # entry of pick-ycb's observation
Policy = Callable[[FloatArray], FloatArray]


@pytest.fixture(scope="module", autouse=True)
def stand_in_assets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("assets")
    stand_ins.make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MS2_ASSET_DIR", str(folder))
        yield
    _used_env.cache_clear()
    _full_episode.cache_clear()


class Episode(NamedTuple):
    """What one play of an environment gave; ``observations`` has one more row than the rest."""

    observations: list[FloatArray]
    rewards: list[float]
    ends: list[tuple[bool, bool]]  # terminated, truncated
    success: list[bool]


def random_actions(task: Task) -> Policy:
    rng = np.random.default_rng(0)
    return lambda _: rng.uniform(-1, 1, task.action_dim).astype(np.float32)


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


def play(env: TaskEnv, policy: Policy, *, seed: int, agent_steps: int) -> Episode:
    obs, _ = env.reset(seed=seed)
    episode = Episode([obs], [], [], [])
    for _ in range(agent_steps):
        obs, reward, terminated, truncated, info = env.step(policy(obs))
        episode.observations.append(obs)
        episode.rewards.append(reward)
        episode.ends.append((terminated, truncated))
        episode.success.append(info["success"])
    return episode


def assert_same(one: Episode, other: Episode) -> None:
    """Fail unless the two are equal bit for bit."""
    np.testing.assert_array_equal(one.observations, other.observations, strict=True)
    assert one.rewards == other.rewards


@functools.cache
def _used_env(task: Task) -> TaskEnv:
    """Return an environment that other tests use too, which no test must notice."""
    return registry.make(task)


@functools.cache
def _full_episode(task: Task) -> Episode:
    return play(_used_env(task), random_actions(task), seed=1, agent_steps=100)


@each_task
def test_observations_are_finite_float32_vectors_of_the_recorded_size(task: Task) -> None:
    for obs in _full_episode(task).observations:
        assert obs.shape == (task.obs_dim,) and obs.dtype == np.float32
        assert np.isfinite(obs).all()


@each_task
def test_an_episode_is_truncated_after_100_agent_steps_and_never_terminated(task: Task) -> None:
    assert _full_episode(task).ends == [(False, False)] * 99 + [(False, True)]
    with pytest.raises(InvalidAction, match="reset"):
        _used_env(task).step(np.zeros(task.action_dim, np.float32))


@each_task
def test_equal_seeds_give_equal_trajectories(task: Task) -> None:
    one, other = (
        play(registry.make(task), random_actions(task), seed=3, agent_steps=20) for _ in range(2)
    )
    assert_same(one, other)


@each_task
def test_a_used_environment_gives_the_same_episode_as_a_fresh_one(task: Task) -> None:
    used = _used_env(task)
    play(used, random_actions(task), seed=4, agent_steps=30)  # left in the middle of an episode
    assert_same(
        play(used, random_actions(task), seed=5, agent_steps=20),
        play(registry.make(task), random_actions(task), seed=5, agent_steps=20),
    )


@pytest.mark.parametrize("name", TO_CUBE)
def test_cubes_that_were_grasped_leave_no_trace_in_the_next_episode(name: str) -> None:
    """In a scene that is not made anew they do."""
    task = registry.task(name)
    used = _used_env(task)
    play(used, grasp(task), seed=3, agent_steps=19)
    assert_same(
        play(used, grasp(task), seed=5, agent_steps=50),
        play(registry.make(task), grasp(task), seed=5, agent_steps=50),
    )


@each_task
def test_different_seeds_give_different_starts(task: Task) -> None:
    starts = {_used_env(task).reset(seed=seed)[0].tobytes() for seed in range(5)}
    assert len(starts) == 5


def test_the_object_to_pick_is_drawn_for_every_episode() -> None:
    env = _used_env(registry.task("pick-ycb"))
    heights = {round(float(env.reset(seed=seed)[0][OBJECT_HEIGHT]), 2) for seed in range(8)}
    assert heights == {size[2] for size in stand_ins.BOXES.values()}


def test_success_is_the_dense_reward_and_no_end() -> None:
    """2.25 for each of two environment steps is LiftCube's, of which 1 is the normalised one."""
    task = registry.task("lift-cube")
    episode = play(_used_env(task), grasp(task), seed=5, agent_steps=100)
    assert episode.success[-1] and not episode.success[0]
    first = episode.success.index(True)
    assert first < 60
    assert episode.rewards[-1] == pytest.approx(4.5)
    assert max(episode.rewards[:first]) <= 4.5
    assert episode.ends[-1] == (False, True)


@each_task
@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is.*infinity")
def test_gymnasium_accepts_the_environment(task: Task) -> None:
    check_env(_used_env(task), skip_render_check=True)


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
