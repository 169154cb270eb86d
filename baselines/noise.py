"""Random numbers for stacked lanes: one torch generator each, so that lanes never share draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Dropout = Callable[[Tensor], Tensor]


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

    def dropout(self, rate: float, *shape: int) -> Dropout:
        """Inverted dropout of a tensor (lanes, *shape): 0 with probability ``rate``."""
        if self._generators[0].device.type == "cuda":  # to draw places, it would have to wait
            masks = [
                torch.empty(shape, device=g.device).bernoulli_(1 - rate, generator=g)
                for g in self._generators
            ]
            mask = self._stacked(masks).mul_(1 / (1 - rate))
            return lambda x: x * mask
        size = math.prod(shape)
        places = [lane * size + _hits(size, rate, g) for lane, g in enumerate(self._generators)]
        flat = places[0] if len(places) == 1 else torch.cat(places)
        return lambda x: _Dropped.apply(x, flat, 1 / (1 - rate))  # type: ignore[no-untyped-call]

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


class _Dropped(torch.autograd.Function):
    """Zero at some places of the flattened tensor, a factor everywhere else.

    Few are dropped, so that to name them is quicker than to multiply with an array of factors.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(places)
        ctx.factor = factor
        return _drop(x, places, factor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # torch leaves ctx open
        (places,) = ctx.saved_tensors
        return _drop(grad, places, ctx.factor), None, None


def _drop(x: Tensor, places: Tensor, factor: float) -> Tensor:
    y = (x * factor).contiguous()
    y.view(-1).index_fill_(0, places, 0.0)
    return y


def _hits(size: int, rate: float, generator: torch.Generator) -> Tensor:
    """Numbers below ``size``, each with probability ``rate``, in rising order.

    The distances between hits of independent trials are geometric: one draw per hit, not per trial.
    """
    enough = int(size * rate + 6 * math.sqrt(size * rate) + 10)  # but for one time in 10^8
    found = torch.empty(0, dtype=torch.float64)
    reached = -1.0
    while reached < size:
        gaps = torch.empty(enough, dtype=torch.float64).geometric_(rate, generator=generator)
        found = torch.cat([found, gaps.cumsum(0).add_(reached)])
        reached = float(found[-1])
    return found[: int(torch.searchsorted(found, size))].long()
