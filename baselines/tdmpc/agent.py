"""TD-MPC as the harness sees it: what it does otherwise than TD-MPC2, whose code it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tdmpc2_bench.agent import State, Step
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.prioritised import Draw, PrioritisedReplay, Rule
from tdmpc2_bench.baselines.replay import Column, Replay
from tdmpc2_bench.baselines.tdmpc import losses
from tdmpc2_bench.baselines.tdmpc.config import ResolvedTDMPCConfig, TDMPCConfig
from tdmpc2_bench.baselines.tdmpc.world_model import TDMPCModel
from tdmpc2_bench.baselines.tdmpc2.agent import TDMPC2, prepared
from tdmpc2_bench.baselines.tdmpc2.losses import Batch, ModelLoss, pair_values
from tdmpc2_bench.baselines.tdmpc2.planner import Planner, Search
from tdmpc2_bench.baselines.tdmpc2.world_model import PolicySample
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

_BEGUN = "schedule.begun"  # among the weights: agent steps before the episode in progress


class TDMPC(TDMPC2):
    """The agent, of one lane. Source: TD-MPC (arXiv 2203.04955)."""

    _config: ResolvedTDMPCConfig
    _model: TDMPCModel
    _policy_eps = 1e-8  # Adam's own; TD-MPC2 has another
    _begun = 0  # agent steps before the episode in progress

    def __init__(
        self, config: ResolvedTDMPCConfig, task: Task, seeds: Sequence[int], device: torch.device
    ) -> None:
        """Initialise from the seed.

        Raises:
            UsageError: several seeds.
        """
        if len(seeds) != 1:
            msg = f"agent tdmpc learns when its episode ends: one seed a process, got {len(seeds)}"
            raise UsageError(msg)
        super().__init__(config, task, seeds, device)

    def _new_model(self, generators: Sequence[torch.Generator]) -> TDMPCModel:
        return TDMPCModel(self._config, self._task, generators)

    def _new_planner(self) -> Planner:
        config = self._config
        search = Search(
            *config.search_at(self._begun),
            momentum=config.momentum,
            judge=config.q_judge,
            clamp=config.clamp_action,
        )
        return Planner(self._model, config, self.kernels.acting, search)

    def _new_replay(self, columns: Mapping[str, Column]) -> Replay:
        config = self._config
        if not config.prioritised:
            return super()._new_replay(columns)
        rule = Rule(config.horizon + 1, config.priority_alpha, config.importance_beta)
        return PrioritisedReplay(config.capacity, self._task.episode_agent_steps, columns, rule)

    # Acting

    def _acts_at_random(self) -> bool:
        return self._begun < self._config.seed_steps

    def _policy_sample(self, z: Tensor, noise: Noise, mode: str) -> PolicySample:
        if mode == "train" and self._config.actor == "det":
            _, std = self._config.search_at(self._begun)
            return self._model.noisy(z, noise, std)
        return super()._policy_sample(z, noise, mode)

    # Learning

    def observe(self, step: Step) -> None:
        """Store a training step; schedules move when an episode begins."""
        if step.first.any():
            self._begun = self._agent_steps
            self._planner = self._new_planner()
        super().observe(step)

    def _owed_for(self, step: Step) -> int:
        """Updates that fall due: at the end of an episode, as many as it had agent steps.

        For the random episodes they are seed_steps, all at the end of the last of them.
        """
        seed_steps = self._config.seed_steps
        over = bool(step.terminated[0] or step.truncated[0])
        if self._begun < seed_steps:
            return seed_steps if over and self._agent_steps >= seed_steps else 0
        if self._config.update_when == "step":
            return 1
        return self._agent_steps - self._begun if over else 0

    def _model_loss(self) -> ModelLoss:
        batch, draw = self._drawn()
        importance = torch.ones_like(batch.reward[:, 0])
        if draw is not None:
            importance = self._tensor(draw.weights)[None]
        loss, surprise = losses.model_loss(
            self._model, self._config, batch, importance, self._noise
        )
        if draw is not None:
            self._prioritised[0].reprioritise(draw.rows, surprise[0].cpu().numpy())
        return loss

    def batch(self) -> Batch:
        """Draw the sub-sequences of one update."""
        return self._drawn()[0]

    def _drawn(self) -> tuple[Batch, Draw | None]:
        """The sub-sequences of one update; which they are, if that was drawn by priority."""
        config = self._config
        if not self._prioritised:
            return super().batch(), None
        (replay,), (rng,) = self._prioritised, self._draws
        draw = replay.draw(rng, config.batch_size)
        return self._as_batch([replay.slices(draw.rows, config.horizon + 1)]), draw

    @property
    def _prioritised(self) -> list[PrioritisedReplay]:
        return [replay for replay in self.replays if isinstance(replay, PrioritisedReplay)]

    def _policy_loss(self, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        config, z = self._config, z.flatten(1, 2)
        sample = self._model.act(z, self._noise)
        pair = pair_values(self._model, config, z, sample.action, self._noise)
        q = pair.amin(1) if config.q_judge == "min" else pair.mean(1)
        return losses.policy_loss(config, sample, q), {}

    def _update_target(self) -> None:
        if self._updates() % self._config.target_every == 0:
            super()._update_target()

    # Remembering

    def state(self) -> list[State]:
        """TD-MPC2's, with the episode's beginning and the replay's priorities."""
        masses = [replay.masses() for replay in self._prioritised]
        return [
            {**state, "begun": self._begun, **({"masses": masses[0]} if masses else {})}
            for state in super().state()
        ]

    def load_state(self, states: Sequence[State]) -> None:
        """Take over what `state` returned; the replay's rows are there already."""
        self._begun = states[0]["begun"]
        super().load_state(states)
        for replay in self._prioritised:
            if replay.rows_written:  # who only acts has none
                replay.load_masses(states[0]["masses"])

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """All networks' weights, and how far the schedules of acting have got."""
        (weights,) = super().export()
        return [{**weights, _BEGUN: np.array([self._begun])}]

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Take over what `export` returned."""
        super().load_weights(weights)
        if _BEGUN in weights[0]:  # a state has it elsewhere
            self._begun = int(weights[0][_BEGUN][0])
            self._planner = self._new_planner()


def build(config: TDMPCConfig, task: Task, seeds: Sequence[int], *, device: str = "cpu") -> TDMPC:
    """Build the agent for ``task``.

    Args:
        config: settings; resolved here.
        task: what to learn.
        seeds: one.
        device: a torch device name.

    Raises:
        UsageError: several seeds, or there is no such device.
    """
    return TDMPC(config.resolved(task), task, seeds, prepared(device))
