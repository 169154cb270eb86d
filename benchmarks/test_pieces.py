"""What the pieces between the products take, at the sizes that size 5 has: where time goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tdmpc2_bench.baselines import kernels, nets
from tdmpc2_bench.baselines.noise import Noise
from tdmpc2_bench.baselines.tdmpc2.regression import Regression

ROWS, WIDTH, HEADS = 512, 512, 5
REGRESSION = Regression(101, 10.0)


def layer_norm(x: Tensor) -> Tensor:
    """One network's, with its own scale and shift."""
    return nets.layer_norm(x, torch.ones(x.shape[-1]), torch.zeros(x.shape[-1]))


PIECES: dict[str, Callable[[Tensor], Tensor]] = {
    "mish": nets.mish,
    "simnorm": lambda x: nets.simnorm(x, 8),
    "layer_norm": layer_norm,
}


@pytest.mark.parametrize("name", PIECES)
def test_forward(benchmark: Any, name: str) -> None:
    x = torch.randn(1, ROWS, WIDTH)
    with torch.no_grad():
        benchmark(PIECES[name], x)


@pytest.mark.parametrize("name", PIECES)
def test_forward_and_backward(benchmark: Any, name: str) -> None:
    x, grad = torch.randn(1, ROWS, WIDTH, requires_grad=True), torch.randn(1, ROWS, WIDTH)
    benchmark(lambda: torch.autograd.grad(PIECES[name](x), x, grad))


def test_dropout_of_an_ensemble(benchmark: Any) -> None:
    x = torch.randn(1, HEADS, ROWS, WIDTH)
    noise = Noise([torch.Generator().manual_seed(0)])
    benchmark(lambda: noise.dropout(0.01, HEADS, ROWS, WIDTH)(x))


def test_decoding_of_bins(benchmark: Any) -> None:
    with torch.no_grad():
        benchmark(REGRESSION.decode, torch.randn(1, ROWS, 101))


@pytest.mark.parametrize("kernel", kernels.PRODUCTS)
def test_product(benchmark: Any, kernel: kernels.Kernel) -> None:
    shapes = (1, ROWS, WIDTH), (1, WIDTH, WIDTH), (1, 1, WIDTH)
    x, weight, bias = (torch.randn(shape) for shape in shapes)
    with torch.no_grad():
        benchmark(kernels.PRODUCTS[kernel](), x, weight, bias)


@pytest.mark.parametrize("kernel", ["torch", "onednn"])
def test_product_forward_and_backward(benchmark: Any, kernel: kernels.Kernel) -> None:
    shapes = (1, ROWS, WIDTH), (1, WIDTH, WIDTH), (1, 1, WIDTH)
    operands = [torch.randn(shape, requires_grad=True) for shape in shapes]
    grad, product = torch.randn(1, ROWS, WIDTH), kernels.PRODUCTS[kernel]()
    benchmark(lambda: torch.autograd.grad(product(*operands), operands, grad))
