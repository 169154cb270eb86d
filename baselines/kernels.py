"""With which kernel weights are multiplied: what there is, and which is fastest on this machine.

PyTorch's own product (MKL on most CPUs) is not the fastest everywhere: on processors that MKL does
not favour, oneDNN takes half its time. So a machine is measured once, and the choice is kept: equal
runs on it give equal bytes. Another kernel changes results by rounding only.
"""

from __future__ import annotations

import ctypes
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from tdmpc2_bench import machine
from tdmpc2_bench.errors import UsageError

# x @ weight + bias, of shapes (stack, rows, inner), (stack, inner, columns), (stack, 1, columns);
# a new tensor.
Product = Callable[[Tensor, Tensor, Tensor], Tensor]
Kernel = Literal["torch", "onednn", "packed"]

VARIABLE = "TDMPC2_BENCH_KERNELS"  # forces a choice: one name, or learning's and acting's
_NARROW = 64  # products with fewer rows of weights, or a narrower result, are torch's business
_CACHE = machine.Cache("kernels")
_WORTHWHILE = 0.95  # of torch's own time: what another kernel must stay below to be chosen
_REPEATS = 9  # of a measurement; the median counts
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # parameters of mallopt(3)


class Kernels(NamedTuple):
    """What is used where."""

    learning: Kernel = "torch"  # weights change with every use; not "packed"
    acting: Kernel = "torch"  # weights are used many times before they change

    def __str__(self) -> str:
        return ",".join(self)


def by_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """PyTorch's batched product, on any device."""
    if torch.is_grad_enabled():
        return torch.baddbmm(bias, x, weight)
    return torch.bmm(x, weight).add_(bias)  # not the bias into every row first: a pass less


def by_onednn(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The linear layer of oneDNN, with weights as they are; float32 on a CPU."""
    if _is_narrow(x, weight):
        return by_torch(x, weight, bias)
    if torch.is_grad_enabled():
        return _OneDnn.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return _each(_transposed, x, weight, bias)


class Packed:
    """Products with weights that are laid out for oneDNN, or cast, once until they change.

    Weights are told apart by where they lie. Changes in place that torch counts are noticed; fused
    optimisers do not count theirs, so after a step of one, `forget` must be called.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        """Multiply in ``dtype``; what comes out is float32 in any case."""
        self._dtype = dtype
        self._ready: dict[tuple[int, torch.Size], tuple[int, Any]] = {}

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """A `Product`, without gradients."""
        if _is_narrow(x, weight):
            return by_torch(x, weight, bias)
        ready = self._prepared(weight, x.shape[1])
        x = x.to(self._dtype)
        if weight.is_cuda:
            return torch.bmm(x, ready).float().add_(bias)
        return _each(_linear, x, ready, bias.to(self._dtype)).float()

    def forget(self) -> None:
        """Weights have changed."""
        self._ready.clear()

    def _prepared(self, weight: Tensor, rows: int) -> Any:  # what `_pack` returns, or a tensor
        key, version = (weight.data_ptr(), weight.shape), weight._version  # noqa: SLF001 - no other
        found = self._ready.get(key)
        if found is None or found[0] != version:
            cast = weight.to(self._dtype)
            ready = cast if weight.is_cuda else [_pack(one.t(), rows) for one in cast]
            found = self._ready[key] = (version, ready)
        return found[1]


class _OneDnn(torch.autograd.Function):
    """`by_onednn` with its gradients, by the same kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _each(_transposed, x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # torch leaves ctx open
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _each(_linear, grad, weight) if of_x else None,
            _each(lambda a, g: _linear(a.t(), g.t()), x, grad) if of_weight else None,
            grad.sum(1, keepdim=True) if of_bias else None,
        )


PRODUCTS: Mapping[Kernel, Callable[[], Product]] = {
    "torch": lambda: by_torch,
    "onednn": lambda: by_onednn,
    "packed": Packed,
}


def _each(product: Callable[..., Tensor], *operands: Iterable[Any]) -> Tensor:
    """The product of every member of a stack, which oneDNN takes one at a time."""
    results = [product(*one) for one in zip(*operands, strict=True)]
    return results[0].unsqueeze(0) if len(results) == 1 else torch.stack(results)


def _linear(x: Tensor, weight: Any, bias: Tensor | None = None) -> Tensor:
    """Multiply x with the transposed weight, which may be packed, and add a bias (1, columns)."""
    bias = None if bias is None else bias[0]
    # No part of torch's public interface; `usable` has found it there.
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001


def _transposed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return _linear(x, weight.t(), bias)


def _pack(weight: Tensor, rows: int) -> Any:  # a tensor that only oneDNN can read
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)  # noqa: SLF001 - see `_linear`


def _is_narrow(x: Tensor, weight: Tensor) -> bool:
    return min(x.shape[1], *weight.shape[1:]) < _NARROW


@functools.cache
def usable() -> bool:
    """Whether this torch has oneDNN's kernels, and they multiply as they should."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight = torch.ones(_NARROW, _NARROW), torch.ones(_NARROW, _NARROW)
    try:
        with torch.no_grad():
            found = [_linear(x, weight), _linear(x, _pack(weight, _NARROW), x)]
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return all(bool((y == _NARROW + i).all()) for i, y in enumerate(found))


def named(text: str) -> Kernels:
    """The kernels that ``text`` names, "torch" or "onednn,packed"; `torch` where they are missing.

    Raises:
        UsageError: it names none.
    """
    learning, _, acting = text.partition(",")
    acting = acting or learning
    learning = "onednn" if learning == "packed" else learning
    if not {learning, acting} <= set(get_args(Kernel)):
        msg = f"{VARIABLE}={text}: expected one of {', '.join(get_args(Kernel))}, or two of them"
        raise UsageError(msg)
    return Kernels(learning, acting) if usable() else Kernels()  # type: ignore[arg-type] # checked


def choose(*, width: int, rows: int, uses: int) -> Kernels:
    """The fastest kernels on this machine's CPU, as `VARIABLE` says or as measured once.

    Args:
        width: of the hidden layers.
        rows: of a typical product.
        uses: how often a weight is used to act before it changes.
    """
    forced = os.environ.get(VARIABLE)
    if forced:
        return named(forced)
    if width < 2 * _NARROW or not usable():
        return Kernels()
    return named(_chosen(width, rows, uses, torch.get_num_threads()))


@functools.cache
def _chosen(width: int, rows: int, uses: int, threads: int) -> str:
    key = machine.Keys().of(width=width, rows=rows, uses=uses, threads=threads)
    return str(_CACHE.known(key, lambda: str(measure(width, rows, uses))))


def measure(width: int, rows: int, uses: int) -> Kernels:
    """Time the kernels and tell the fastest."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(1, n, width, generator=generator) for n in (rows, width))
    bias = torch.zeros(1, 1, width)
    weight.requires_grad_()
    x.requires_grad_()

    def learn(product: Product) -> None:
        product(x, weight, bias).backward(x)  # any gradient will do

    def act(product: Callable[[], Product]) -> None:
        fresh = product()
        with torch.no_grad():
            for _ in range(uses):
                fresh(x, weight, bias)

    learning = _fastest({name: functools.partial(learn, PRODUCTS[name]()) for name in _UNPACKED})
    acting = _fastest({name: functools.partial(act, PRODUCTS[name]) for name in PRODUCTS})
    return Kernels(learning, acting)


_UNPACKED: tuple[Kernel, ...] = ("torch", "onednn")


def _fastest(candidates: Mapping[Kernel, Callable[[], object]]) -> Kernel:
    """The quickest, taken in turns so that a busy machine slows all alike; torch if it is close."""
    spent: dict[Kernel, list[float]] = {name: [] for name in candidates}
    for _ in range(1 + _REPEATS):
        for name, work in candidates.items():
            begun = time.perf_counter()
            work()
            spent[name].append(time.perf_counter() - begun)
    seconds = {name: statistics.median(times[1:]) for name, times in spent.items()}
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < _WORTHWHILE * seconds["torch"] else "torch"


def keep_memory() -> None:
    """Have the C library keep freed memory for the next tensor, where that is glibc.

    It would return a large tensor's pages to the system at once and be given new ones, zeroed, for
    the next: a tenth of a decision's time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most it takes; a replay's columns are larger
    mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
