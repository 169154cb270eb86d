"""Environments in an env worker behave as those in this process do."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import workers
from gymnasium.utils.env_checker import check_env
from processes import is_gone
from workers import make, processes_of

from tdmpc2_bench import failure, film, registry, seeding
from tdmpc2_bench.env import Drawable, TaskEnv
from tdmpc2_bench.errors import (
    BenchError,
    Diverged,
    InvalidAction,
    SuiteUnavailable,
    UnknownName,
    UsageError,
    WorkerFailed,
)
from tdmpc2_bench.worker import process, remote

ZERO = np.zeros(1, np.float32)


@pytest.fixture(autouse=True)
def unshared() -> None:
    """No test meets another's worker."""
    process._shared.clear()


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes an environment of a worker with a fault."""
    monkeypatch.setattr(process, "_COMMAND", workers.FAULTY)

    def make_faulty(fault: str) -> TaskEnv:
        monkeypatch.setenv("FAULT", fault)
        return make()

    return make_faulty


def play(env: TaskEnv, seed: int, steps: int) -> list[Any]:
    """Everything an episode tells, observations as bytes."""
    rng = seeding.stream(seed, "actions")
    obs, info = env.reset(seed=seed)
    told: list[Any] = [(obs.tobytes(), info)]
    for _ in range(steps):
        action = rng.uniform(-1.2, 1.2, env.task.action_dim).astype(np.float32)
        obs, *rest = env.step(action)
        told.append((obs.tobytes(), *rest))
        if rest[1] or rest[2]:
            break
    return told


def until_fault(env: TaskEnv) -> None:
    """Into the second agent step, the third environment step."""
    env.reset(seed=1)
    for _ in range(2):
        env.step(ZERO)


# The same as here


@pytest.mark.parametrize(
    "name", ["toy-point", "toy-plane", "pendulum-swingup", "quadruped-walk", "reacher-three-easy"]
)
def test_an_episode_is_the_same_bit_for_bit(name: str) -> None:
    if registry.task(name).suite == "dmcontrol":
        pytest.importorskip("dm_control")
    here, there = registry.make(registry.task(name)), make(name)
    for seed in (1, 2, 1):
        assert play(here, seed, steps=60) == play(there, seed, steps=60)
    here.close()
    there.close()


def test_what_the_simulator_observed_arrives_as_it_was() -> None:
    """In double precision, which the environment rounds."""
    here, there = registry.make(registry.task("toy-plane")), make("toy-plane")
    action = np.array([0.3, -0.7], np.float32)
    for env in (here, there):
        env.reset(seed=5)
    first, second = here.simulation.step(action), there.simulation.step(action)
    assert first.obs.dtype == second.obs.dtype == np.float64
    assert first.obs.tobytes() == second.obs.tobytes()
    assert first[1:] == second[1:]
    there.close()


def test_large_seeds_arrive_whole() -> None:
    here, there = registry.make(registry.task("toy-point")), make()
    for seed in (2**31, 2**64 + 1, np.int64(7)):
        assert here.simulation.reset(seed).tolist() == there.simulation.reset(seed).tolist()
    there.close()


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is.*infinity")
def test_gymnasiums_checker_passes() -> None:
    env = make()
    check_env(env, skip_render_check=True)
    env.close()


def test_environments_share_a_worker_and_nothing_else() -> None:
    names = ["toy-point", "toy-plane", "toy-point"]
    expected = [
        play(registry.make(registry.task(name)), seed, 10) for seed, name in enumerate(names)
    ]
    envs = [make(name) for name in names]
    assert len({processes_of(env)[0].pid for env in envs}) == 1
    rngs = [seeding.stream(seed, "actions") for seed in range(3)]
    told: list[list[Any]] = []
    for seed, env in enumerate(envs):
        obs, info = env.reset(seed=seed)
        told.append([(obs.tobytes(), info)])
    for _ in range(10):
        for env, rng, one in zip(envs, rngs, told, strict=True):
            action = rng.uniform(-1.2, 1.2, env.task.action_dim).astype(np.float32)
            obs, *rest = env.step(action)
            one.append((obs.tobytes(), *rest))
    assert told == expected
    for env in envs:
        env.close()


def test_threads_may_step_environments_of_one_worker() -> None:
    envs = [make() for _ in range(4)]
    told: dict[int, list[Any]] = {}

    def run(seed: int) -> None:
        told[seed] = play(envs[seed], seed, 15)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    local = registry.make(registry.task("toy-point"))
    assert told == {seed: play(local, seed, 15) for seed in range(4)}
    for env in envs:
        env.close()


def test_a_worker_outlives_the_thread_that_started_it() -> None:
    made: list[TaskEnv] = []
    thread = threading.Thread(target=lambda: made.append(make()))
    thread.start()
    thread.join()
    assert play(made[0], 1, 5) == play(registry.make(registry.task("toy-point")), 1, 5)
    made[0].close()


def test_pictures_are_the_same_and_can_be_filmed(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="the encoder of films")
    here, there = registry.make(registry.task("toy-plane")), make("toy-plane")
    for env in (here, there):
        env.reset(seed=3)
    assert isinstance(there.simulation, Drawable)
    assert here.frames_per_second == there.frames_per_second
    assert here.render().tolist() == there.render().tolist()
    there.close()
    path = tmp_path / "plane.mp4"
    filmed = film.Filmed(make("toy-plane"), path)
    play(filmed, 1, steps=100)
    filmed.close()
    assert path.exists()


def test_what_cannot_be_drawn_here_cannot_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_COMMAND", workers.FAULTY)
    monkeypatch.setenv("FAULT", "undrawable")
    env = make()
    assert not isinstance(env.simulation, Drawable)
    with pytest.raises(UsageError, match="cannot be drawn"):
        env.render()
    env.close()


# Errors


def test_an_error_of_ours_is_the_same_class_with_the_same_words(faulty: Any) -> None:
    env = faulty("ours")
    with pytest.raises(Diverged) as error:
        until_fault(env)
    assert str(error.value) == "the state is absurd"
    assert "faulty_worker.py" in "".join(error.value.__notes__)
    env.reset(seed=1)  # the environment is as good as one here would be
    env.step(ZERO)
    env.close()
    env = faulty("unknown")
    with pytest.raises(UnknownName) as unknown:
        until_fault(env)
    assert str(unknown.value) == "no asset named 'cubr'. Did you mean 'cube'?"
    env.close()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("theirs", "code", "ValueError: could not broadcast\nfrom here to there"),
        ("memory", "memory", "MemoryError: "),
        ("disk", "infrastructure", "OSError: [Errno 5] Input/output error"),
        ("leaves", "code", "SystemExit: the library has had enough"),
        ("objects", "code", "TypeError: expected an observation of numbers, got object"),
    ],
)
def test_another_error_keeps_its_words_class_and_traceback(
    faulty: Any, fault: str, kind: str, words: str
) -> None:
    env = faulty(fault)
    with pytest.raises(WorkerFailed) as error:
        until_fault(env)
    assert str(error.value) == words
    found = failure.of(error.value)
    assert found.kind == kind
    assert "In the env worker of suite 'toy'" in found.traceback
    assert "serve.py" in found.traceback
    assert len(processes_of(env)) == 2
    env.close()


def test_an_observation_of_another_size_is_refused_with_both(faulty: Any) -> None:
    env = faulty("other-dims")
    with pytest.raises(BenchError, match=r"expected .* shape \(2,\) for 'toy-point', got \(3,\)"):
        until_fault(env)
    env.close()


def test_an_action_of_another_size_is_refused() -> None:
    env = make()
    env.reset(seed=1)
    with pytest.raises(InvalidAction, match="expected an action of length 1, got 2"):
        env.simulation.step(np.zeros(2, np.float32))
    env.close()


def test_a_task_that_cannot_be_built_leaves_no_process(faulty: Any) -> None:
    with pytest.raises(SuiteUnavailable, match=r"^its assets are missing"):
        faulty("unavailable")
    gc.collect()
    assert not psutil.Process().children()


# The end


def test_the_last_to_be_closed_ends_the_worker() -> None:
    first, second = make(), make()
    running = processes_of(first)
    assert len(running) == 2
    first.close()
    first.close()
    second.reset(seed=1)
    second.step(ZERO)
    second.close()
    assert all(is_gone(one.pid) for one in running)
    with pytest.raises(UsageError, match=r"environment of 'toy-point' was closed; make another"):
        second.reset(seed=1)


def test_closing_releases_the_simulator_and_its_errors_are_told(
    faulty: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    env, other = faulty("close"), make()
    with pytest.raises(WorkerFailed, match="cannot be closed"):
        env.close()
    other.reset(seed=1)  # hears what was printed meanwhile
    assert capsys.readouterr().err.count("closed\n") == 1
    env.close()


def test_a_forgotten_environment_is_closed_when_the_next_is_made(
    faulty: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, forgotten = faulty("none"), make()
    del forgotten
    gc.collect()
    kept.reset(seed=1)
    assert capsys.readouterr().err == ""
    another = make()
    another.reset(seed=1)
    assert capsys.readouterr().err == "closed\n"
    for env in (kept, another):
        env.close()


def test_a_worker_whose_environments_are_forgotten_ends() -> None:
    env = make()
    running = processes_of(env)
    del env
    gc.collect()
    assert all(is_gone(one.pid) for one in running)


def python(program: str, cwd: Path) -> list[str]:
    """The lines that a program prints; it may make environments, and says nothing else."""
    here = str(Path(workers.__file__).parent)
    text = f"import sys; sys.path.append({here!r})\nimport os, workers\n{program}"
    command = [sys.executable, "-P", "-W", "error", "-c", text]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_an_interpreter_that_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    pids = python(
        "env = workers.make()\n"
        "env.reset(seed=1)\n"
        "print(*[one.pid for one in workers.processes_of(env)], sep='\\n')\n",
        tmp_path,
    )
    assert len(pids) == 2
    assert all(is_gone(int(pid)) for pid in pids)


def test_a_forked_process_makes_its_own_and_leaves_the_others_alone(tmp_path: Path) -> None:
    said = python(
        "env = workers.make()\n"
        "first, _ = env.reset(seed=1)\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        env.reset(seed=1)\n"
        "    except Exception as error:\n"
        "        print(error)\n"
        "    env.close()\n"
        "    own = workers.make()\n"
        "    print((own.reset(seed=1)[0] == first).all())\n"
        "    own.close()\n"
        "else:\n"
        "    print(os.wait()[1])\n"
        "    print((env.reset(seed=1)[0] == first).all())\n"
        "    env.close()\n",
        tmp_path,
    )
    assert said[0].endswith("it belongs to the process that this one was forked off")
    assert said[1:] == ["True", "0", "True"]


# What happens beside


def test_after_ctrl_c_the_next_answer_is_the_right_one() -> None:
    class Interrupt(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupt

    env = make()
    env.reset(seed=1)
    (_, worker) = processes_of(env)
    before = signal.signal(signal.SIGALRM, interrupt)
    worker.suspend()
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(Interrupt):
        env.step(ZERO)
    signal.signal(signal.SIGALRM, before)
    worker.resume()
    assert play(env, 4, 10) == play(registry.make(registry.task("toy-point")), 4, 10)
    env.close()


def test_what_simulators_print_is_passed_on_and_disturbs_nothing(
    faulty: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    env = faulty("junk")
    assert play(env, 1, 10) == play(registry.make(registry.task("toy-point")), 1, 10)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("junk") == 2 and "spoken" in said.err
    env.close()
    env = faulty("chatty")  # before it greets
    assert play(env, 1, 1) == play(registry.make(registry.task("toy-point")), 1, 1)
    env.close()


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("3", "3")])
def test_threads_are_as_many_as_ours_and_else_one(
    given: str | None,
    found: str,
    faulty: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    env = faulty("threads")
    until_fault(env)
    assert f"threads {found}\n" in capsys.readouterr().err
    env.close()


def test_python_variables_and_the_working_directory_are_no_business_of_its(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "numpy.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    env = make()
    env.reset(seed=1)
    env.close()


def test_a_worker_starts_from_the_checkouts_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    env = make()
    env.reset(seed=1)
    env.close()


def test_requests_to_stop_are_not_the_workers() -> None:
    env = make()
    env.reset(seed=1)
    for one in processes_of(env):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            one.send_signal(number)
    assert play(env, 4, 10) == play(registry.make(registry.task("toy-point")), 4, 10)
    env.close()


def test_versions_other_than_results_would_be_marked_with_are_refused() -> None:
    row = registry.task("toy-point")
    with pytest.raises(SuiteUnavailable, match=r"imports .*, but \{'numpy': '0\.1'\}"):
        remote.make(row, workers.PYTHON, {"numpy": "0.1"})
