"""Films: what they hold, what they leave behind, and that filming changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cells import finish
from learner import job

from tdmpc2_bench import evaluation, film, registry, trained
from tdmpc2_bench.env import TaskEnv
from tdmpc2_bench.errors import SuiteUnavailable, UsageError

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")


def decoded(path: Path) -> tuple[int, str]:
    """Number of frames of 120 x 120 pixels, and what the decoder says of the file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return len(done.stdout) // (120 * 120 * 3), done.stderr.decode()


def played(env: TaskEnv, episodes: int) -> list[tuple[list[float], float]]:
    """Observations and rewards of some episodes under fixed actions."""
    rows = []
    for episode in range(episodes):
        obs, _ = env.reset(seed=episode)
        rows.append((obs.tolist(), 0.0))
        over = False
        while not over:
            obs, reward, terminated, over, _ = env.step(np.full(1, 0.3, np.float32))
            assert not terminated
            rows.append((obs.tolist(), reward))
    return rows


def test_a_film_shows_every_state_of_the_first_episode_in_real_time(tmp_path: Path) -> None:
    task = registry.task("toy-point")
    path = tmp_path / "point.mp4"
    env = film.Filmed(registry.make(task), path)
    played(env, episodes=2)
    env.close()
    count, said = decoded(path)
    assert count == task.episode_agent_steps + 1
    assert "120x120" in said and "10 fps" in said  # 20 environment steps/s, two per agent step
    assert [one.name for one in tmp_path.iterdir()] == ["point.mp4"]


def test_filming_changes_nothing(tmp_path: Path) -> None:
    task = registry.task("toy-point")
    env = film.Filmed(registry.make(task), tmp_path / "point.mp4")
    assert played(env, episodes=2) == played(registry.make(task), episodes=2)
    env.close()


def test_a_film_that_is_not_complete_is_thrown_away(tmp_path: Path) -> None:
    env = film.Filmed(registry.make(registry.task("toy-point")), tmp_path / "point.mp4")
    env.reset(seed=1)
    env.step(np.zeros(1, np.float32))
    env.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["film.avi", "film", "missing/film.mp4"])
def test_a_name_that_cannot_be_a_film_is_refused_before_playing(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"expected a name ending in \.mp4"):
        film.prepare(tmp_path / name)


@pytest.mark.parametrize(
    ("given", "chosen"), [("", {"egl", "osmesa", "disable"}), ("osmesa", {"osmesa"})]
)
def test_a_renderer_that_the_user_named_is_left_alone(
    tmp_path: Path, given: str, chosen: set[str]
) -> None:
    code = (
        "import os, pathlib, tdmpc2_bench.film as film; "
        f"film.prepare(pathlib.Path({str(tmp_path / 'a.mp4')!r})); print(os.environ['MUJOCO_GL'])"
    )
    environment = {**os.environ, "MUJOCO_GL": given}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in chosen


@pytest.mark.usefixtures("registered_learner")
def test_the_film_is_of_the_first_evaluation_episode_and_leaves_its_return(tmp_path: Path) -> None:
    attempt = finish(job(tmp_path / "runs", steps=100, eval_every=100))
    found = trained.find(attempt.path.parent)
    path = tmp_path / "film.mp4"
    filmed = evaluation.evaluate(found, episodes=2, video=path)
    assert filmed == evaluation.evaluate(found, episodes=2)
    assert decoded(path)[0] == found.task.episode_agent_steps + 1


# One of every scene that there is: MyoSuite has two.
DRAWN = ("pendulum-swingup", "mw-reach", "myo-reach", "myo-key-turn")


def drawn(name: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Film a beginning in a process of its own, since MuJoCo chooses its renderer once."""
    code = (
        "import sys, numpy as np, pathlib\n"
        "from tdmpc2_bench import film, registry\n"
        "path = pathlib.Path(sys.argv[2])\n"
        "film.prepare(path)\n"
        "env = film.Filmed(registry.make(registry.task(sys.argv[1])), path)\n"
        "env.reset(seed=1)\n"
        "picture = env.render()\n"
        "lit = picture.max(-1) > 80\n"
        "print(picture.shape, picture.dtype, len(np.unique(picture)) > 50, lit.mean() > 0.03)\n"
        "env.close()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in {"MUJOCO_GL", "DISPLAY"}}
    command = [sys.executable, "-P", "-c", code, name, str(path)]
    return subprocess.run(
        command, env={**environment, **variables}, capture_output=True, text=True, check=False
    )


def skip_unless_available(name: str) -> None:
    try:
        registry.check_available(registry.task(name).suite)
    except SuiteUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", DRAWN)
def test_mujoco_is_filmed_without_a_screen(name: str, tmp_path: Path) -> None:
    skip_unless_available(name)
    done = drawn(name, tmp_path / "film.mp4")
    if "cannot draw here" in done.stderr:
        pytest.skip("needs libosmesa6 or a GPU")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(480, 640, 3) uint8 True True\n"
    assert done.stderr == ""


@pytest.mark.parametrize("name", DRAWN[:3])
def test_without_a_renderer_the_remedy_is_named(name: str, tmp_path: Path) -> None:
    skip_unless_available(name)
    done = drawn(name, tmp_path / "film.mp4", MUJOCO_GL="glfw")  # one that needs a screen
    assert done.returncode == 1
    assert "UsageError: MuJoCo cannot draw here" in done.stderr
    assert "install libosmesa6" in done.stderr
