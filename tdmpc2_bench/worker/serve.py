"""What an env worker does: it builds environments and steps them as it is asked to."""

from __future__ import annotations

import faulthandler
import traceback
from typing import NamedTuple

import numpy as np

from tdmpc2_bench import errors, failure, plugins, protocol, registry
from tdmpc2_bench.child import end_with_parent
from tdmpc2_bench.env import Drawable, Outcome, Simulation, Telling
from tdmpc2_bench.errors import BenchError, InvalidAction
from tdmpc2_bench.task import Task
from tdmpc2_bench.worker import frames, source
from tdmpc2_bench.worker.frames import Kind


def serve(requests: int, answers: int) -> None:
    """Greet, then answer one request after the other until there are no more.

    Args:
        requests: file descriptor of the pipe that requests come from.
        answers: that of the pipe that answers go to.
    """
    end_with_parent()
    plugins.silence()  # whoever started us has said it
    faulthandler.enable()
    greeting = {"protocol": frames.PROTOCOL, "source": source.digest()}
    frames.send(answers, Kind.TOLD, 0, 0, frames.pack_json(greeting))
    arriving, environments = frames.Reader(requests), _Environments()
    while True:
        while (frame := arriving.take()) is None:
            if not arriving.read():
                return
        request, number, kind, payload = frame
        try:
            answer, payload = environments.answer(number, kind, payload)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - simulators may raise anything
            answer, payload = Kind.ERROR, frames.pack_json(_told(error))
        frames.send(answers, answer, number, request, payload)


class _Built(NamedTuple):
    task: Task
    simulation: Simulation


class _Environments:
    """The environments of this process, by number."""

    def __init__(self) -> None:
        self._built: dict[int, _Built] = {}

    def answer(self, number: int, kind: int, payload: bytes) -> tuple[Kind, bytes]:
        """Do what is asked of an environment and return the answer."""
        if kind == Kind.BUILD:
            return self._build(number, frames.unpack_json(payload)["task"])
        task, simulation = self._built[number]
        if kind == Kind.STEP:
            action = np.frombuffer(bytearray(payload), np.float32)  # one that may be written to
            if len(action) != task.action_dim:
                msg = f"expected an action of length {task.action_dim}, got {len(action)}"
                raise InvalidAction(msg)
            return _outcome(task, simulation.step(action))
        if kind == Kind.RESET:
            return _outcome(task, Outcome(simulation.reset(int(payload)), 0.0))
        if kind == Kind.RENDER:
            assert isinstance(simulation, Drawable)  # noqa: S101 - others are not asked
            return Kind.PICTURE, frames.pack_picture(simulation.render())
        del self._built[number]
        simulation.close()
        return Kind.TOLD, frames.pack_json({})

    def _build(self, number: int, name: str) -> tuple[Kind, bytes]:
        task = registry.task(name)
        simulation = registry.make_here(task).simulation
        self._built[number] = _Built(task, simulation)
        found = {
            "steps_per_second": (
                simulation.steps_per_second if isinstance(simulation, Drawable) else None
            ),
            "facts": dict(simulation.facts) if isinstance(simulation, Telling) else {},
            "versions": protocol.versions(registry.distributions(task)),
        }
        return Kind.TOLD, frames.pack_json(found)


def _outcome(task: Task, outcome: Outcome) -> tuple[Kind, bytes]:
    if outcome.obs.shape != (task.obs_dim,):
        msg = (
            f"expected an observation of shape ({task.obs_dim},) for {task.name!r}, "
            f"got {outcome.obs.shape}"
        )
        raise BenchError(msg)
    return Kind.OUTCOME, frames.pack_outcome(outcome)


def _told(error: BaseException) -> dict[str, str]:
    """What is told of an error: the class of ours that it is, if it is one, and its words."""
    ours = [one.__name__ for one in type(error).__mro__ if getattr(errors, one.__name__, 0) is one]
    message = str(error) if ours else f"{type(error).__name__}: {error}"
    return {
        "type": ours[0] if ours else "",
        "message": message,
        "kind": failure.of(error).kind,
        "traceback": "".join(traceback.format_exception(error)).strip(),
    }
