"""Random numbers for stacked lanes: one torch generator each, so that lanes never share draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Noise:
    """One generator per lane; every draw has the lane axis first.

    A lane draws the same numbers whatever other lanes are trained beside it.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        """Take over ``generators``, one per lane."""
        self._generators = tuple(generators)

    @classmethod
    def seeded(cls, streams: Sequence[np.random.Generator], device: torch.device) -> Noise:
        """One generator per stream, seeded by its next number."""
        return cls(
            [torch.Generator(device).manual_seed(int(stream.integers(2**63))) for stream in streams]
        )

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, shape (lanes, *shape)."""
        return self._stacked(
            [torch.randn(shape, generator=g, device=g.device) for g in self._generators]
        )

    def uniform(self, *shape: int) -> Tensor:
        """Numbers uniform in [0, 1), shape (lanes, *shape)."""
        return self._stacked(
            [torch.rand(shape, generator=g, device=g.device) for g in self._generators]
        )

    def keep_mask(self, keep: float, *shape: int) -> Tensor:
        """Inverted-dropout factors, 1/keep with probability ``keep`` else 0, (lanes, *shape)."""
        masks = [
            torch.empty(shape, device=g.device).bernoulli_(keep, generator=g)
            for g in self._generators
        ]
        return self._stacked(masks).mul_(1 / keep)

    def pair(self, count: int) -> Tensor:
        """Two different indices below ``count`` for every lane, shape (lanes, 2)."""
        return self.uniform(count).topk(2, dim=-1).indices

    def states(self) -> list[NDArray[np.uint8]]:
        """The generators' states, one per lane."""
        return [g.get_state().numpy() for g in self._generators]

    @classmethod
    def restored(cls, states: Sequence[NDArray[np.uint8]], device: torch.device) -> Noise:
        """The noise whose `states` were saved."""
        generators = [torch.Generator(device) for _ in states]
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(torch.from_numpy(np.array(state)))
        return cls(generators)

    @staticmethod
    def _stacked(draws: list[Tensor]) -> Tensor:
        return draws[0].unsqueeze(0) if len(draws) == 1 else torch.stack(draws)
