"""Matrix products as the floor of an agent's time: which there are, and how fast they can be done.

What an agent does between its products can be made cheaper without end; the products themselves
cannot, with a given number format. So the time they take by the fastest kernel at hand is what an
agent's own time is measured against.
"""

from __future__ import annotations

import functools
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from tdmpc2_bench.baselines import kernels

_REPEATS = 7  # of every kernel on every product; the median counts


class Product(NamedTuple):
    """``stack`` products of (rows, inner) by (inner, columns)."""

    stack: int
    rows: int
    inner: int
    columns: int

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.stack * self.rows * self.inner * self.columns


def forward(widths: Sequence[int], rows: int, *, stack: int = 1) -> list[Product]:
    """Those of a perceptron with layers of such widths, applied to ``rows`` rows."""
    return [Product(stack, rows, a, b) for a, b in itertools.pairwise(widths)]


def weight_gradients(widths: Sequence[int], rows: int, *, stack: int = 1) -> list[Product]:
    """Those that give the gradients of its weights."""
    return [Product(stack, a, rows, b) for a, b in itertools.pairwise(widths)]


def input_gradients(widths: Sequence[int], rows: int, *, stack: int = 1) -> list[Product]:
    """Those that pass gradients on to the layers' inputs."""
    return [Product(stack, rows, b, a) for a, b in itertools.pairwise(widths)]


def floor(products: Iterable[Product], device: str) -> float:
    """Seconds that the products take one after the other, each by its fastest kernel."""
    counts = Counter(products)
    return sum(count * fastest(product, device).seconds for product, count in counts.items())


class Timed(NamedTuple):
    """A way to do a product, and how long it takes."""

    seconds: float
    kernel: Callable[[], object]


@torch.no_grad()
def fastest(product: Product, device: str) -> Timed:
    """The quickest way to do a product, on operands that are made here."""
    ways = _kernels(product, torch.device(device))
    return min((Timed(median(way), way) for way in ways), key=lambda timed: timed.seconds)


def _kernels(product: Product, device: torch.device) -> list[Callable[[], object]]:
    """Ways to do a product with float32 operands; weights may be prepared, inputs may not."""
    x = torch.randn(product.stack, product.rows, product.inner, device=device)
    weight = torch.randn(product.stack, product.inner, product.columns, device=device)
    ways: list[Callable[[], object]] = [lambda: torch.bmm(x, weight)]
    if product.stack == 1:
        across = weight[0].t().contiguous()
        ways.append(lambda: functional.linear(x[0], across))
    if device.type == "cpu" and kernels.usable():
        bias = torch.zeros(product.stack, 1, product.columns)
        further: list[kernels.Product] = [kernels.by_onednn, kernels.Packed()]
        ways += [functools.partial(one, x, weight, bias) for one in further]
    return ways


def median(kernel: Callable[[], object]) -> float:
    """Seconds that a kernel takes, once it is warm."""
    seconds = []
    for _ in range(1 + _REPEATS):
        begun = time.perf_counter()
        kernel()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])
