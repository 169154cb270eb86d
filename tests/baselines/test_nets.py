"""Stacked layers and activations against PyTorch's own, plainly written."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tdmpc2_bench.baselines import nets


def filled(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter a random value, LayerNorm's too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)


def plain_mlp(x: Tensor, layers: list[nets.Layer], index: tuple[int, ...], simplex: int) -> Tensor:
    """The method's MLP for one member of the stack, with PyTorch's own functions."""
    for i, layer in enumerate(layers):
        x = x @ layer.weight[index] + layer.bias[index]
        if layer.scale is None:
            continue
        assert layer.shift is not None
        x = functional.layer_norm(x, x.shape[-1:]) * layer.scale[index] + layer.shift[index]
        if i < len(layers) - 1:
            x = functional.mish(x)
        else:
            x = x.view(len(x), -1, simplex).softmax(-1).view(len(x), -1)
    return x


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_mish_equals_pytorchs_with_its_gradient(scale: float) -> None:
    x = (torch.randn(400, 500, dtype=torch.float32) * scale).requires_grad_()
    expected = functional.mish(x)
    grad = torch.randn_like(x)
    (expected_grad,) = torch.autograd.grad(expected, x, grad)
    actual = nets.mish(x)
    (actual_grad,) = torch.autograd.grad(actual, x, grad)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(actual_grad, expected_grad, rtol=1e-4, atol=2e-6)


def test_mish_without_gradient_leaves_its_input_alone() -> None:
    x = torch.randn(10, 10)
    before = x.clone()
    with torch.no_grad():
        nets.mish(x)
    assert torch.equal(before, x)


def test_mish_takes_a_transposed_tensor() -> None:
    x = torch.randn(5, 7).T
    torch.testing.assert_close(nets.mish(x), functional.mish(x))
    y = torch.randn(5, 7).requires_grad_()
    nets.mish(y.T).sum().backward()
    (expected,) = torch.autograd.grad(functional.mish(y.T).sum(), y)
    torch.testing.assert_close(y.grad, expected, rtol=1e-4, atol=2e-6)


def test_simnorm_is_a_softmax_within_consecutive_groups() -> None:
    x = torch.randn(2, 3, 16, requires_grad=True) * 20
    expected = x.unflatten(-1, (2, 8)).softmax(-1).flatten(-2)
    actual = nets.simnorm(x, 8)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(actual.unflatten(-1, (2, 8)).sum(-1), torch.ones(2, 3, 2))
    grad = torch.randn_like(actual)
    torch.testing.assert_close(
        torch.autograd.grad(actual, x, grad, retain_graph=True)[0],
        torch.autograd.grad(expected, x, grad, retain_graph=True)[0],
    )


@pytest.mark.parametrize("lanes", [1, 3])
def test_every_member_of_a_stack_is_its_own_network(lanes: int) -> None:
    mlp = nets.MLP([5, 12, 12, 8], (lanes, 2), output=lambda x: nets.simnorm(x, 4))
    filled(mlp)
    x = torch.randn(lanes, 1, 7, 5)
    actual = mlp(x)
    for lane in range(lanes):
        for head in range(2):
            expected = plain_mlp(x[lane, 0], mlp.layers(), (lane, head), 4)
            torch.testing.assert_close(actual[lane, head], expected, rtol=1e-4, atol=1e-5)


def test_parts_are_as_good_as_their_concatenation() -> None:
    mlp = nets.MLP([6, 9, 4], (2,))
    filled(mlp)
    z, action = torch.randn(2, 8, 4), torch.randn(2, 8, 2)
    torch.testing.assert_close(mlp(z, action), mlp(torch.cat([z, action], -1)))


def test_a_shared_row_stands_for_a_run_of_rows() -> None:
    mlp = nets.MLP([6, 9, 4], (1,))
    filled(mlp)
    z, action = torch.randn(1, 3, 4), torch.randn(1, 12, 2)
    expected = mlp(z.repeat_interleave(4, dim=1), action)
    torch.testing.assert_close(mlp(z, action), expected)


def test_dropout_comes_before_the_normalisation_of_the_first_layer_only() -> None:
    mlp = nets.MLP([3, 6, 6, 2], (1, 1))
    filled(mlp)
    x, keep = torch.randn(1, 1, 4, 3), torch.tensor([0.0, 1, 1, 2, 1, 1]).expand(1, 1, 4, 6)
    first, second, last = mlp.layers()
    assert first.scale is not None and first.shift is not None
    h = (x[0, 0] @ first.weight[0, 0] + first.bias[0, 0]) * keep[0, 0]
    h = functional.mish(functional.layer_norm(h, (6,)) * first.scale[0, 0] + first.shift[0, 0])
    expected = plain_mlp(h, [second, last], (0, 0), 1)
    torch.testing.assert_close(
        mlp(x, dropout=lambda h: h * keep)[0, 0], expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("index", [[[3, 0], [1, 2]], [[2, 1]]], ids=["lanes", "one lane"])
def test_chosen_heads_are_those_of_the_ensemble_and_get_no_gradient(index: list[list[int]]) -> None:
    lanes = len(index)
    mlp = nets.MLP([3, 5, 2], (lanes, 4))
    filled(mlp)
    x = torch.randn(lanes, 6, 3, requires_grad=True)
    chosen = torch.stack([mlp(x, layers=head) for head in mlp.heads(torch.tensor(index))], dim=1)
    every = mlp(x.unsqueeze(1))
    for lane in range(lanes):
        torch.testing.assert_close(chosen[lane], every[lane, index[lane]])
    chosen.sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is None for parameter in mlp.parameters())


def test_choosing_heads_of_one_lane_copies_no_weights() -> None:
    mlp = nets.MLP([3, 5, 2], (1, 4))
    for head in mlp.heads(torch.tensor([[2, 1]])):
        for layer, whole in zip(head, mlp.layers(), strict=True):
            storages = {w.untyped_storage().data_ptr() for w in (layer.weight, whole.weight)}
            assert len(storages) == 1


def test_initial_weights_are_normal_002_and_the_output_zero_where_asked() -> None:
    mlp = nets.MLP([200, 300, 10], (2,))
    mlp.initialise([torch.Generator().manual_seed(s) for s in (1, 2)], zero_output=True)
    hidden, last = mlp.layers()
    assert hidden.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert not hidden.bias.any() and not last.bias.any() and not last.weight.any()
    assert hidden.scale is not None and (hidden.scale == 1).all()
    assert not torch.equal(hidden.weight[0], hidden.weight[1])
