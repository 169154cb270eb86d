"""Two-hot regression against a hand-written dense target."""

import math

import pytest
import torch

from tdmpc2_bench.baselines.tdmpc2.regression import Regression, symexp, symlog

BINS = Regression(101, 10.0)


def dense_target(y: float) -> torch.Tensor:
    """The two-hot vector of the method, entry by entry."""
    u = min(max(math.copysign(math.log1p(abs(y)), y), -10), 10)
    k = math.floor((u + 10) / 0.2)
    f = (u + 10) / 0.2 - k
    target = torch.zeros(101)
    target[k] += 1 - f
    target[(k + 1) % 101] += f
    return target


@pytest.mark.parametrize("y", [0.0, 1.0, -1.0, 0.37, 250.0, -3000.0, 1e6, -1e6, 22025.4])
def test_loss_is_the_cross_entropy_with_the_two_hot_target(y: float) -> None:
    logits = torch.randn(101)
    expected = -(dense_target(y) * logits.log_softmax(-1)).sum()
    torch.testing.assert_close(BINS.loss(logits, torch.tensor(y)), expected, rtol=1e-4, atol=1e-4)


def test_equal_logits_decode_to_zero() -> None:
    assert abs(BINS.decode(torch.zeros(101)).item()) < 1e-5


def test_the_expectation_is_taken_before_symexp() -> None:
    logits = torch.full((101,), -torch.inf)
    logits[50 + 10] = logits[50 + 20] = 0.0  # half at 2, half at 4 in symlog space
    assert BINS.decode(logits).item() == pytest.approx(math.expm1(3.0), rel=1e-4)


def test_symexp_inverts_symlog() -> None:
    x = torch.tensor([-20000.0, -1.5, 0.0, 1e-3, 700.0])
    torch.testing.assert_close(symexp(symlog(x)), x, rtol=1e-4, atol=1e-6)


def test_without_bins_the_loss_is_the_squared_error() -> None:
    output, target = torch.tensor([3.0]), torch.tensor(5.0)
    assert Regression(0, 10.0).loss(output, target).item() == 4.0
    assert Regression(0, 10.0).decode(output).item() == 3.0
    expected = (3 - math.log(6)) ** 2
    assert Regression(1, 10.0).loss(output, target).item() == pytest.approx(expected, rel=1e-5)
    assert Regression(1, 10.0).decode(output).item() == pytest.approx(math.expm1(3), rel=1e-5)
