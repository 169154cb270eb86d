"""A claimed cell while it is trained: the readers of its stream of events.

Evaluating, recording, saving and stopping happen here, between the steps of the loop.
"""

from __future__ import annotations

import contextlib
import csv
import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tdmpc2_bench import (
    checkpoint,
    done,
    failure,
    ownership,
    protocol,
    record,
    registry,
    trained,
    variant,
)
from tdmpc2_bench.celldir import AttemptDir, CellDir
from tdmpc2_bench.errors import BenchError, CellBusy, Diverged, Exit
from tdmpc2_bench.job import Job, StopRequest
from tdmpc2_bench.loop import EpisodeEnd, Interaction, Stepped, Updated, evaluate_all
from tdmpc2_bench.results import EPISODE_COLUMNS, by_episode, marks, read_chain
from tdmpc2_bench.task import Task

if TYPE_CHECKING:
    from tdmpc2_bench.env import TaskEnv


@dataclass(slots=True)
class _Progress:
    """Training since the last line of train.jsonl."""

    scalars: dict[str, list[float]] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)
    agent_step: int = 0


class Session:
    """A claimed attempt with everything that is open while it runs."""

    def __init__(self, job: Job, task: Task, cell: CellDir, attempt: AttemptDir) -> None:
        self._job, self._task = job, task
        self._cell, self._attempt = cell, attempt
        self._evals = record.Log(attempt.evals)
        self._train = record.Log(attempt.train)
        self._events = record.Log(attempt.events)
        self._heartbeat = ownership.Heartbeat(attempt)
        self._progress = _Progress()
        self._saved = time.monotonic()
        self._evaluated: int | None = None  # environment step of the last evaluation
        self._eval_envs: list[TaskEnv] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, CellBusy):
            found = failure.of(error)
            with contextlib.suppress(BenchError):  # the disk may be full: that is the error
                self._event("failed", failure=found.kind, reason=found.reason)
                failure.write(self._attempt, found)
        for log in (self._evals, self._train, self._events):
            with contextlib.suppress(BenchError) if error else contextlib.nullcontext():
                log.close()
        for env in self._eval_envs:
            env.close()
        self._heartbeat.stop()

    def mark(self, mark: str, reasons: list[str]) -> None:
        """Note in what way the cell's result is not what an undisturbed run would have given."""
        self._event("marked", mark=mark, reasons=reasons)

    def run(self, found: checkpoint.Found | None, stop: StopRequest) -> Exit:
        """Train until the budget is spent or a stop is requested."""
        job, task = self._job, self._task
        self._event("started", provenance=protocol.provenance())
        entry = registry.agent(job.agent)
        config = variant.configure(entry.presets, job.preset, job.overrides)
        agent = entry.build(config, task, [job.seed], device=job.device)
        env = registry.make(task)
        if env.facts:
            self._event("built", **env.facts)
        interaction = Interaction(agent, [env], [job.seed])
        segments = self._restore(interaction, found) if found else []
        self._checkpoints = checkpoint.Checkpoints(self._cell, self._attempt, segments)
        self._progress.agent_step = interaction.agent_step
        try:
            finished = self._loop(interaction, stop)
        except Diverged as error:
            self._finish(interaction, "diverged", reason=str(error))
            return Exit.OK
        finally:
            env.close()
        if not finished:
            self._event("interrupted", env_step=self._env_step(interaction))
            return Exit.INTERRUPTED
        self._finish(interaction, "done")
        return Exit.OK

    def _restore(self, interaction: Interaction, found: checkpoint.Found) -> list[Any]:
        for damage in found.damaged:
            self._event("checkpoint_damaged", reason=damage)
        segments: list[Any] = found.state["segments"]
        replays = interaction.agent.replays
        if replays:
            checkpoint.load_replay(self._cell, segments, replays[0])
        states = [found.state["interaction"]]
        dropped = interaction.load_state(states, may_drop="inexact" in self._job.allow)
        if dropped:
            self.mark("inexact", [dropped])
        self._progress_update(phase="resumed", env_step=self._env_step(interaction))
        self._event("resumed", checkpoint=found.name, attempt=found.attempt.number)
        return segments

    def _loop(self, interaction: Interaction, stop: StopRequest) -> bool:
        """Read the stream of events; True when the budget is spent, False when stopped."""
        events = interaction.events()
        while not stop.requested:
            if interaction.agent.updates_due() == 0:
                if not self._evaluate_if_due(interaction, stop):
                    return False
                self._keep_weights_if_due(interaction)
                if self._env_step(interaction) >= self._job.steps:
                    return True
            if time.monotonic() - self._saved > self._job.checkpoint_seconds:
                self._save(interaction)
            match next(events):
                case Stepped(ends):
                    for end in ends:
                        self._log_episode(interaction, end)
                case Updated(scalars):
                    for name, value in scalars.items():
                        self._progress.scalars.setdefault(name, []).append(float(value[0]))
            self._show_progress(interaction)
        self._save(interaction)
        return False

    def _env_step(self, interaction: Interaction) -> int:
        return interaction.agent_step * self._task.action_repeat

    def _evaluate_if_due(self, interaction: Interaction, stop: StopRequest) -> bool:
        """Evaluate where the cadence or the end of the budget says so; False if stopped in it."""
        step = self._env_step(interaction)
        due = step % self._job.eval_every == 0 or step >= self._job.steps
        if not due or step == self._evaluated:
            return True
        self._save(interaction)
        self._evaluated = step
        return self._evaluate(interaction, stop)

    def _keep_weights_if_due(self, interaction: Interaction) -> None:
        every, step = self._job.keep_every, self._env_step(interaction)
        path = self._attempt.kept_weights(step)
        if every and step and step % every == 0 and not path.exists():
            path.parent.mkdir(exist_ok=True)
            self._write_weights(path, interaction)

    def _write_weights(self, path: Path, interaction: Interaction) -> None:
        weights = interaction.agent.export()[0]
        checkpoint.write_weights(path, weights, trained.identity(self._cell))

    def _evaluate(self, interaction: Interaction, stop: StopRequest) -> bool:
        """Evaluate in every mode and record it; thrown away if a stop is requested meanwhile."""
        agent, job = interaction.agent, self._job
        while len(self._eval_envs) < job.eval_episodes:
            self._eval_envs.append(registry.make(self._task))
        self._progress_update(phase="evaluating", env_step=self._env_step(interaction))

        def stops() -> bool:
            self._progress_update(moves=self._moves + 1)
            return stop.requested

        found = evaluate_all(agent, [self._eval_envs], [job.seed], stop=stops)
        if found is None:
            return False
        for mode, (evaluation,) in found.items():
            self._evals.append(
                {
                    "env_step": self._env_step(interaction),
                    "agent_step": interaction.agent_step,
                    "task": self._task.name,
                    "mode": mode,
                    "return": evaluation.returns,
                    "success_last": evaluation.success_last,
                    "success_any": evaluation.success_any,
                    "length": evaluation.lengths,
                }
            )
        (headline,) = found[agent.modes[0]]
        self._progress_update(
            eval_step=self._env_step(interaction), eval_return=float(np.mean(headline.returns))
        )
        return True

    def _log_episode(self, interaction: Interaction, end: EpisodeEnd) -> None:
        progress = self._progress
        seconds = time.monotonic() - progress.since
        rate = (interaction.agent_step - progress.agent_step) / seconds if seconds else None
        self._train.append(
            {
                "env_step": self._env_step(interaction),
                "agent_step": interaction.agent_step,
                "updates": interaction.updates,
                "episode": end.episode,
                "return": end.episode_return,
                "length": end.length,
                "success": end.success,
                **{name: float(np.mean(values)) for name, values in progress.scalars.items()},
                "agent_steps_per_s": rate,
                "time": time.time(),
            }
        )
        self._progress = _Progress(agent_step=interaction.agent_step)
        self._progress_update(
            train_return=end.episode_return, rate=rate and rate * self._task.action_repeat
        )

    def _show_progress(self, interaction: Interaction) -> None:
        due = interaction.agent.updates_due()
        self._progress_update(
            phase=f"{due:,} updates due" if due > 1 else "training",
            env_step=self._env_step(interaction),
            updates=interaction.updates,
            moves=self._moves + 1,
        )

    @property
    def _moves(self) -> int:
        """Steps, updates and steps of evaluations so far: whoever watches sees that we live."""
        return int(self._heartbeat.progress.get("moves", 0))

    def _progress_update(self, **values: Any) -> None:  # JSON values
        self._heartbeat.progress = {**self._heartbeat.progress, **values}

    def _save(self, interaction: Interaction) -> None:
        """Write a checkpoint, unless nothing has been done yet or the cell was taken over."""
        if ownership.superseded(self._cell, self._attempt):
            msg = f"{self._cell.cell} was taken over by a later attempt; this one stops"
            raise CellBusy(msg)
        self._saved = time.monotonic()
        if interaction.agent_step == 0:
            return
        for log in (self._evals, self._train, self._events):
            log.sync()
        replays = interaction.agent.replays
        self._checkpoints.write(
            f"{interaction.agent_step}-{interaction.updates}",
            {
                "interaction": interaction.state()[0],
                "offsets": {
                    "evals": self._evals.offset,
                    "train": self._train.offset,
                    "events": self._events.offset,
                },
            },
            replays[0] if replays else None,
        )

    def _finish(self, interaction: Interaction, status: str, **details: Any) -> None:
        """Write the results, DONE last; ``details`` stand in the event."""
        attempt = self._attempt
        self._event(status, env_step=self._env_step(interaction), **details)
        for log in (self._evals, self._train, self._events):
            log.sync()
        record.write_file(attempt.evals_csv, _csv(read_chain(self._cell, attempt, "evals")))
        self._write_weights(attempt.weights, interaction)
        if ownership.superseded(self._cell, attempt):
            msg = f"{self._cell.cell} was taken over by a later attempt; this one stops"
            raise CellBusy(msg)
        content = {
            "status": status,
            "env_step": self._env_step(interaction),
            "agent_step": interaction.agent_step,
            "updates": interaction.updates,
            "marks": marks(self._cell, attempt),
        }
        done.write(attempt, content, (attempt.evals, attempt.evals_csv, attempt.weights))
        checkpoint.discard(self._cell, self._job.keep)

    def _event(self, kind: str, **details: Any) -> None:  # JSON values
        self._events.append({"event": kind, "time": time.time(), **details})
        self._events.sync()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    """Evaluations, one line per mode and episode."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["env_step", "agent_step", "task", "mode", "episode", *EPISODE_COLUMNS])
    for row in rows:
        key = [row[name] for name in ("env_step", "agent_step", "task", "mode")]
        for episode, values in enumerate(by_episode(row)):
            writer.writerow([*key, episode, *("" if value is None else value for value in values)])
    return text.getvalue().encode()
