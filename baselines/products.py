"""Matrix products as the floor of an agent's time: which there are, and how fast they can be done.

What an agent does between its products can be made cheaper without end; the products themselves
cannot, with a given number format. So the time they take by the fastest kernel at hand is what an
agent's own time is measured against.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

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


@torch.no_grad()
def floor(products: Iterable[Product], device: str) -> float:
    """Seconds that the products take one after the other, each by its fastest kernel."""
    return sum(
        count * min(_median(kernel) for kernel in _kernels(product, torch.device(device)))
        for product, count in Counter(products).items()
    )


def _kernels(product: Product, device: torch.device) -> list[Callable[[], object]]:
    """Ways to do a product with float32 operands; weights may be prepared, inputs may not."""
    x = torch.randn(product.stack, product.rows, product.inner, device=device)
    weight = torch.randn(product.stack, product.inner, product.columns, device=device)
    kernels: list[Callable[[], object]] = [lambda: torch.bmm(x, weight)]
    if product.stack == 1:
        across = weight[0].t().contiguous()
        kernels.append(lambda: functional.linear(x[0], across))
        packed = _packed(across, product.rows)
        if packed is not None:
            by_onednn = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - it has no other name
            kernels.append(lambda: by_onednn(x[0], packed, None, "none", [], ""))
    return kernels


def _packed(weight: torch.Tensor, rows: int) -> torch.Tensor | None:
    """A weight in oneDNN's own layout; None where this torch has none for it."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    try:
        packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)  # noqa: SLF001
    except (AttributeError, RuntimeError):  # no part of torch's public interface, so it may go
        return None
    return packed


def _median(kernel: Callable[[], object]) -> float:
    seconds = []
    for _ in range(1 + _REPEATS):
        begun = time.perf_counter()
        kernel()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])
