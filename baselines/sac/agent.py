"""SAC as the harness sees it: stable-baselines3's learner, driven step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.logger import Logger
from torch import Tensor

from tdmpc2_bench import seeding
from tdmpc2_bench.agent import BoolArray, FloatArray, State, Step
from tdmpc2_bench.baselines import tensors
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.sac.buffer import StreamBuffer
from tdmpc2_bench.baselines.sac.config import CRITICS, SACConfig
from tdmpc2_bench.baselines.sac.policy import ConfiguredPolicy
from tdmpc2_bench.errors import UsageError
from tdmpc2_bench.task import Task

# What SB3 notes of an update, and what we call it.
_SCALARS = {
    "train/critic_loss": "critic_loss",
    "train/actor_loss": "policy_loss",
    "train/ent_coef_loss": "temperature_loss",
    "train/ent_coef": "temperature",
}


class SoftActorCritic:
    """The agent, of one lane. Source: SAC (arXiv 1812.05905), with SB3's order of an update.

    SB3's `learn` is not used: the loop is the harness's. What SB3 leaves out of its own saves
    (replay, random generators) is here, and nothing is pickled.
    """

    modes = ("mean", "sample")
    lanes = 1

    def __init__(self, config: SACConfig, task: Task, seed: int, device: torch.device) -> None:
        """Initialise the networks from the seed."""
        self._config, self._task, self._device = config, task, device
        self._global = GlobalNoise(seeding.integer(seed, task.name, "init"), device)
        with self._global.lent():  # weights are drawn on the CPU: alike on every device
            self._model = _model(config, task, seeding.stream(seed, task.name, "replay"), device)
        self._global = GlobalNoise(seeding.integer(seed, task.name, "update"), device)
        buffer: Any = self._model.replay_buffer  # SB3 takes it for a ReplayBuffer of its own
        self._buffer: StreamBuffer = buffer
        self.replays = (self._buffer.stream,)
        self._agent_steps = 0
        self._debt = 0  # updates owed

    # Acting

    def carry(self, envs: int, streams: Sequence[np.random.Generator]) -> Noise:
        """Acting state is noise alone: a generator seeded from the stream."""
        del envs
        return Noise.seeded(streams, self._device)

    @torch.no_grad()
    def act(
        self, obs: FloatArray, carry: Noise, *, first: BoolArray, mode: str
    ) -> tuple[FloatArray, Noise, Mapping[str, NDArray[Any]]]:
        """Choose actions, shape (1, envs, action_dim); uniform while seeding.

        SB3's own `predict` would draw from the global generator, which belongs to learning.
        """
        del first
        shape = (obs.shape[1], self._task.action_dim)
        if mode == "train" and self._agent_steps < self._config.seed_steps:
            return (carry.uniform(*shape) * 2 - 1).cpu().numpy(), carry, {}
        x = torch.from_numpy(obs[0]).to(self._device)
        mean, log_std, _ = self._model.actor.get_action_dist_params(x)
        if mode != "mean":
            mean = mean + log_std.exp() * carry.normal(*shape)[0]
        return mean.tanh()[None].cpu().numpy(), carry, {}

    # Learning

    def observe(self, step: Step) -> None:
        """Store a training step and count the update that it makes due.

        The first falls due after the first decision that is not random, as in SB3.
        """
        if step.first[0]:
            self._buffer.begin(step.obs[0])
            return
        self._buffer.add(
            self._buffer.newest(),
            step.obs,
            step.action,
            step.reward,
            step.terminated | step.truncated,
            # Both at once is a true end.
            [{"TimeLimit.truncated": bool(step.truncated[0] and not step.terminated[0])}],
        )
        self._agent_steps += 1
        if self._agent_steps > self._config.seed_steps:
            self._debt += 1

    def updates_due(self) -> int:
        """One per decision after seeding."""
        return self._debt

    def update(self) -> Mapping[str, FloatArray]:
        """Learn from one batch: temperature, critics, actor, then target critics."""
        self._debt -= 1
        with self._global.lent():
            self._model.train(1, self._config.batch_size)
        noted = self._model.logger.name_to_value
        return {name: np.array([noted[key]], np.float32) for key, name in _SCALARS.items()}

    # Remembering

    def state(self) -> list[State]:
        """Networks, optimisers, temperature, random generators and counters."""
        return [
            {
                "weights": _arrays(self._model.policy.state_dict()),
                "log_temperature": tensors.array(self._temperature),
                "optimizers": {
                    name: _moments(optimizer) for name, optimizer in self._optimizers().items()
                },
                "noise": self._global.state(),
                "draws": self._buffer.draws.bit_generator.state,
                "agent_steps": self._agent_steps,
                "debt": self._debt,
            }
        ]

    def load_state(self, states: Sequence[State]) -> None:
        """Take over what `state` returned."""
        (state,) = states
        self._model.policy.load_state_dict(_tensors(state["weights"]))
        self._temperature.data.copy_(torch.from_numpy(state["log_temperature"]))
        for name, optimizer in self._optimizers().items():
            _restore(optimizer, state["optimizers"][name])
        self._global.load_state(state["noise"])
        self._buffer.draws.bit_generator.state = state["draws"]
        self._agent_steps, self._debt = state["agent_steps"], state["debt"]

    @property
    def _temperature(self) -> Tensor:
        """Log alpha, shape (1,)."""
        found = self._model.log_ent_coef
        assert found is not None  # noqa: S101 - it is always learnt here
        return found

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        model = self._model
        assert model.ent_coef_optimizer is not None  # noqa: S101 - it is always learnt here
        return {
            "actor": model.actor.optimizer,
            "critic": model.critic.optimizer,
            "temperature": model.ent_coef_optimizer,
        }

    def carry_state(self, carry: Noise) -> list[State]:
        """The generator."""
        return [{"noise": noise} for noise in carry.states()]

    def load_carry(self, states: Sequence[State]) -> Noise:
        """The acting state that `carry_state` described."""
        return Noise.restored([state["noise"] for state in states], self._device)

    def export(self) -> list[dict[str, NDArray[Any]]]:
        """The actor's weights."""
        return [_arrays(self._model.actor.state_dict())]

    def load_weights(self, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Take over what `export` returned."""
        (actor,) = weights
        self._model.actor.load_state_dict(_tensors(actor))


class GlobalNoise:
    """A random stream for code that draws from torch's global generators.

    They are set to where the stream stands only while they are lent, and afterwards are as they
    were: nothing else that draws from them shifts the stream, nor is shifted by it.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        """Begin the stream of ``seed``, on the CPU and on ``device``."""
        self._device = device
        with self._kept():
            torch.manual_seed(seed)
            self._states = self._now()

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Whatever is drawn inside is drawn from the stream."""
        with self._kept():
            torch.set_rng_state(self._states["cpu"])
            if "cuda" in self._states:
                torch.cuda.set_rng_state(self._states["cuda"], self._device)
            yield
            self._states = self._now()

    def state(self) -> dict[str, NDArray[np.uint8]]:
        """Where the stream stands."""
        return {name: np.array(state.numpy()) for name, state in self._states.items()}

    def load_state(self, state: Mapping[str, NDArray[np.uint8]]) -> None:
        """Go on where `state` was taken."""
        self._states = _tensors(state)

    def _kept(self) -> contextlib.AbstractContextManager[None]:
        on_cuda = self._device.type == "cuda"
        return torch.random.fork_rng([self._device] if on_cuda else [])

    def _now(self) -> dict[str, Tensor]:
        found = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            found["cuda"] = torch.cuda.get_rng_state(self._device)
        return found


def _model(config: SACConfig, task: Task, draws: np.random.Generator, device: torch.device) -> SAC:
    """SB3's learner with its networks and its buffer, without an environment."""
    buffer: Any = StreamBuffer  # SB3 wants its ReplayBuffer, which reserves memory of its own
    model = SAC(
        ConfiguredPolicy,
        None,  # type: ignore[arg-type] # as SB3 does when it loads a model
        learning_rate=config.lr,
        buffer_size=config.capacity,
        batch_size=config.batch_size,
        tau=config.tau,
        gamma=config.discount,
        replay_buffer_class=buffer,
        replay_buffer_kwargs={"longest_episode": task.episode_agent_steps, "draws": draws},
        ent_coef=f"auto_{config.temperature}",
        target_entropy=-task.action_dim,
        policy_kwargs={
            "settings": config,
            "net_arch": [config.width] * config.hidden_layers,
            "n_critics": CRITICS,
            "optimizer_kwargs": {"fused": True},  # the same numbers in fewer passes
        },
        device=device,
        _init_setup_model=False,
    )
    model.observation_space = spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
    model.action_space = spaces.Box(-1.0, 1.0, (task.action_dim,), np.float32)
    model.n_envs = 1
    model._setup_model()  # noqa: SLF001 - the second half of SB3's own loading
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _moments(optimizer: torch.optim.Optimizer) -> State:
    """An optimiser's running averages and step count per parameter, numbered as it does."""
    return {
        str(number): _arrays(moments) for number, moments in optimizer.state_dict()["state"].items()
    }


def _restore(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Take over what `_moments` returned."""
    moments = {int(number): _tensors(moments) for number, moments in state.items()}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def _arrays(named: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensors.array(tensor) for name, tensor in named.items()}


def _tensors(named: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Copies, so that what learning goes on to change is not the caller's."""
    return {name: torch.tensor(array) for name, array in named.items()}


def build(
    config: SACConfig, task: Task, seeds: Sequence[int], *, device: str = "cpu"
) -> SoftActorCritic:
    """Build the agent for ``task``.

    Args:
        config: settings.
        task: what to learn.
        seeds: one.
        device: a torch device name.

    Raises:
        UsageError: more seeds than one, or no such device.
    """
    if len(seeds) != 1:
        msg = f"agent 'sac' trains one seed per process (lanes), got {len(seeds)}"
        raise UsageError(msg)
    return SoftActorCritic(config.resolved(task), task, seeds[0], tensors.device(device))
