"""Whether a task keeps its promises: it is built, reset, stepped and timed.

``python -P -m tdmpc2_bench.doctor.trial SECONDS TASK ...`` tries one task after the other and
answers with a line of JSON each. That simulators crash, hang and print is the business of who
starts it, see ``tasks``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tdmpc2_bench import failure, registry, seeding
from tdmpc2_bench.child import answering
from tdmpc2_bench.doctor.finding import Finding
from tdmpc2_bench.env import FloatArray, TaskEnv
from tdmpc2_bench.errors import BenchError, Diverged, NotReproducible, SuiteUnavailable

_SEED = 1
_PLAYED_TWICE = 10  # agent steps that two resets with the same seed are compared over


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Finding):
    """How one task fared."""

    steps_per_s: float = 0.0  # environment steps, one process, one thread; 0 if it does not step


def of(name: str, seconds: float) -> Trial:
    """Try the task of that name; whatever it raises is the finding."""
    try:
        with contextlib.closing(registry.make(registry.task(name))) as env:
            return Trial(status="ok", steps_per_s=_measure(env, seconds))
    except SuiteUnavailable as error:
        return Trial(status="missing", reason=str(error))
    except BenchError as error:
        return Trial(status="broken", reason=str(error))
    except Exception as error:  # noqa: BLE001 - a simulator may raise anything
        traceback.print_exc()
        return Trial(status="broken", reason=failure.of(error).reason)


def _measure(env: TaskEnv, seconds: float) -> float:
    """Environment steps per second of stepping alone, with random actions.

    Raises:
        BenchError: spaces or numbers are not what the task's record says, or an episode does not
            repeat itself.
    """
    task = env.task
    if env.action_space.shape != (task.action_dim,):
        msg = f"expected actions of shape ({task.action_dim},), got {env.action_space.shape}"
        raise BenchError(msg)
    generator = seeding.stream(_SEED, task.name, "doctor")
    shape = (task.episode_agent_steps, task.action_dim)
    actions = generator.uniform(-1, 1, shape).astype(np.float32)
    first, again = (_play(env, actions[:_PLAYED_TWICE]) for _ in range(2))
    if not np.array_equal(first, again):
        raise NotReproducible("two episodes with equal seed and actions had other observations")
    steps, spent, over = 0, 0.0, True
    while spent < seconds:
        if over:
            env.reset()
        action = actions[steps % len(actions)]
        begun = time.perf_counter()
        obs, reward, terminated, truncated, _ = env.step(action)
        spent += time.perf_counter() - begun
        steps += 1
        over = terminated or truncated
        _check(env, obs, reward)
    return round(steps * task.action_repeat / spent, 1)


def _play(env: TaskEnv, actions: FloatArray) -> FloatArray:
    """The observations of an episode's beginning, one a row."""
    obs, _ = env.reset(seed=_SEED)
    _check(env, obs)
    rows = [obs]
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        _check(env, obs, reward)
        rows.append(obs)
        if terminated or truncated:
            break
    return np.array(rows)


def _check(env: TaskEnv, obs: NDArray[np.generic], reward: float = 0.0) -> None:
    expected = (env.task.obs_dim,)
    if obs.shape != expected or obs.dtype != np.float32:
        msg = f"expected observations float32 of shape {expected}, got {obs.dtype} of {obs.shape}"
        raise BenchError(msg)
    if not (np.isfinite(obs).all() and np.isfinite(reward)):
        raise Diverged("an observation or a reward is not finite")


def heading(name: str) -> str:
    """The line that stands above what a task's trial prints."""
    return f"--- {name}\n"


def main(arguments: Sequence[str]) -> None:
    """Try tasks and write an answer for each."""
    seconds, *names = arguments
    with answering() as answer:
        for name in names:
            sys.stderr.write(heading(name))
            sys.stderr.flush()
            answer(dataclasses.asdict(of(name, float(seconds))))


if __name__ == "__main__":
    main(sys.argv[1:])
