"""Networks whose weights carry leading stack axes: lanes, or lanes x heads.

One primitive, a stacked linear layer, serves single networks, Q-ensembles and seeds trained side
by side. The activations are written for CPU speed where PyTorch's own cost as much as the matrix
products around them; on an accelerator PyTorch's fused kernels are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tdmpc2_bench.baselines.kernels import Product, by_torch
from tdmpc2_bench.baselines.noise import Dropout

Activation = Callable[[Tensor], Tensor]
Initial = Callable[[Tensor, torch.Generator], object]  # fills a weight (.., in, out) of one lane


class Layer(NamedTuple):
    """Weights of one layer; ``stack`` is (lanes,) or (lanes, heads)."""

    weight: Tensor  # (*stack, in, out)
    bias: Tensor  # (*stack, 1, out)
    scale: Tensor | None = None  # (*stack, 1, out), LayerNorm; None: no normalisation
    shift: Tensor | None = None


def linear(layer: Layer, *parts: Tensor, product: Product = by_torch) -> Tensor:
    """Apply a stacked linear layer to the concatenation of ``parts``.

    The parts are multiplied with their own rows of the weight instead of being concatenated, so
    that a part shared by many rows is multiplied once.

    Args:
        layer: weight (*stack, in, out) with in = sum of the parts' widths.
        parts: each (*stack, rows_i, in_i), stack axes of length 1 are expanded. A part with fewer
            rows than a later one is shared: each of its rows stands for a run of the later's.
        product: how the first part, the widest, is multiplied.

    Returns:
        Shape (*stack, rows of the last part, out).
    """
    stack = layer.weight.shape[:-2]
    out, start = layer.bias.flatten(0, -3), 0
    for part in parts:
        *_, rows, width = part.shape
        x = part.expand(*stack, rows, width).flatten(0, -3)
        weight = layer.weight[..., start : start + width, :].flatten(0, -3)
        out = product(x, weight, out) if start == 0 else _added(out, x, weight)
        start += width
    return out.unflatten(0, stack)


def _added(out: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Add x @ weight to what the parts before x gave; nobody else holds that."""
    if out.shape[1] < x.shape[1]:
        out = out.repeat_interleave(x.shape[1] // out.shape[1], dim=1)
    if torch.is_grad_enabled():
        return torch.baddbmm(out, x, weight)
    return out.baddbmm_(x, weight)


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Normalise the last axis and apply the stack's own scale and shift (eps 1e-5)."""
    width = x.shape[-1:]
    if scale.numel() == x.shape[-1]:  # one network: PyTorch's fused affine form fits
        return functional.layer_norm(x, width, scale.flatten(), shift.flatten())
    return torch.addcmul(shift, functional.layer_norm(x, width), scale)


# Elements of one pass of the activation: three float32 temporaries of it stay in a core's cache.
_CHUNK = 1 << 16


class _Mish(torch.autograd.Function):
    """Mish with its own backward, each in one exponential and as few passes as there can be.

    With m = e^x + e^2x / 2 it is tanh(softplus(x)) = m / (m + 1), and so with r = 1 / (m + 1)

        mish(x) = x / (1 + 1 / m),    mish'(x) = 1 + r (x r (e^x + e^2x) - 1).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x)
        return _mish(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # torch leaves the context's type open
        (x,) = ctx.saved_tensors
        grad_x = torch.empty_like(x)
        for part, grad_part, out in zip(
            _chunks(x), _chunks(grad.contiguous()), _chunks(grad_x), strict=True
        ):
            # Cut at 20, where mish' is 1 in float32: e^2x would become infinite from 44 on.
            exp = part.clamp(max=20.0).exp_()
            r = torch.addcmul(exp, exp, exp, value=0.5).add_(1).reciprocal_()
            slope = exp.addcmul_(exp, exp).mul_(part).mul_(r).sub_(1).mul_(r)  # mish' - 1
            torch.addcmul(grad_part, slope, grad_part, out=out)
        return grad_x


def _mish(x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    for part, out in zip(_chunks(x), _chunks(y), strict=True):
        exp = part.exp()  # infinite for large x, 0 for small: 1 / m is then 0 or infinite, rightly
        m = exp.addcmul_(exp, exp, value=0.5)
        torch.div(part, m.reciprocal_().add_(1), out=out)
    return y


def _chunks(x: Tensor) -> tuple[Tensor, ...]:
    return x.view(-1).split(_CHUNK)


def mish(x: Tensor) -> Tensor:
    """Mish activation x * tanh(softplus(x)) (Misra 2019)."""
    if x.is_cuda:
        return functional.mish(x)
    if torch.is_grad_enabled() and x.requires_grad:
        return _Mish.apply(x)  # type: ignore[no-untyped-call]
    return _mish(x.contiguous())


def simnorm(x: Tensor, simplex_dim: int) -> Tensor:
    """Softmax inside consecutive groups of ``simplex_dim`` entries of the last axis.

    Source: TD-MPC2, section 3.1 (SimNorm), temperature 1.
    """
    groups = x.unflatten(-1, (-1, simplex_dim))
    if x.is_cuda:
        return groups.softmax(-1).flatten(-2)
    # On CPU a softmax over a short last axis is not vectorised (about 5 ms for 512 x 512); over
    # an inner axis it is, and the two transposing copies cost less than they save (0.5 ms).
    across = groups.transpose(-1, -2).contiguous().softmax(-2)
    return across.transpose(-1, -2).flatten(-2)


def identity(x: Tensor) -> Tensor:
    """No activation."""
    return x


def narrow_normal(weight: Tensor, generator: torch.Generator) -> None:
    """Draw a truncated normal of standard deviation 0.02, cut at +-2 and so in practice normal.

    Source: TD-MPC2's released code.
    """
    nn.init.trunc_normal_(weight, std=0.02, generator=generator)


def orthogonal(weight: Tensor, generator: torch.Generator) -> None:
    """Draw orthonormal rows or columns, whichever are fewer, for every matrix of the stack.

    Source: Saxe et al. 2013 (arXiv 1312.6120); TD-MPC uses it with gain 1.
    """
    for matrix in weight.view(-1, *weight.shape[-2:]):
        nn.init.orthogonal_(matrix, generator=generator)


class MLP(nn.Module):
    """A stacked multi-layer perceptron: blocks of linear, [dropout,] [LayerNorm,] activation.

    The output layer is plainly linear, or a normalised block of its own when an activation is
    given for it (LayerNorm precedes SimNorm).
    """

    def __init__(
        self,
        widths: Sequence[int],
        stack: Sequence[int],
        *,
        norm: bool | Sequence[bool] = True,
        act: Activation | Sequence[Activation] = mish,
        output: Activation | None = None,
    ) -> None:
        """Allocate the layers, uninitialised.

        Args:
            widths: input width, hidden widths, output width.
            stack: leading axes of all weights, (lanes,) or (lanes, heads).
            norm: LayerNorm in every block, or in which hidden ones.
            act: activation of every hidden block, or one each.
            output: activation of a normalised output block; None: linear output.
        """
        super().__init__()
        self.product: Product = by_torch  # how its layers multiply
        self._output = output
        self._depth = len(widths) - 1
        hidden = self._depth - 1
        self._acts = [act] * hidden if callable(act) else list(act)
        last = norm is True and output is not None
        norms = [*([norm] * hidden if isinstance(norm, bool) else norm), last]
        for i in range(self._depth):
            self._register(f"weight_{i}", *stack, widths[i], widths[i + 1])
            for part in ("bias", "scale", "shift") if norms[i] else ("bias",):
                self._register(f"{part}_{i}", *stack, 1, widths[i + 1])

    def _register(self, name: str, *shape: int) -> None:
        self.register_parameter(name, nn.Parameter(torch.empty(shape)))

    @torch.no_grad()
    def initialise(
        self,
        generators: Sequence[torch.Generator],
        *,
        zero_output: bool,
        initial: Initial = narrow_normal,
    ) -> None:
        """Draw the weights lane by lane, each lane from its own generator.

        Biases are 0, LayerNorm is 1 and 0. Source: TD-MPC2's released code, and so is the zero
        output weight of reward and value networks.

        Args:
            generators: one per lane.
            zero_output: the weights of the last layer are 0.
            initial: draws all others.
        """
        for name, parameter in self.named_parameters():
            if name.startswith("weight"):
                for lane, generator in zip(parameter, generators, strict=True):
                    initial(lane, generator)
            else:
                parameter.fill_(1.0 if name.startswith("scale") else 0.0)
        if zero_output:
            self.get_parameter(f"weight_{self._depth - 1}").zero_()

    def layers(self) -> list[Layer]:
        """The weights, layer by layer."""
        return [
            Layer(
                self.get_parameter(f"weight_{i}"),
                self.get_parameter(f"bias_{i}"),
                getattr(self, f"scale_{i}", None),
                getattr(self, f"shift_{i}", None),
            )
            for i in range(self._depth)
        ]

    def heads(self, index: Tensor) -> list[list[Layer]]:
        """The weights of some heads, detached: values from them give no gradient to them.

        Each head is a network of its own, whose stack is the lanes. One lane's are views, since
        copying weights takes as long as a third of a small batch's product with them; several lanes
        have different heads, which must be gathered.

        Args:
            index: shape (lanes, k), which heads, per lane.
        """
        lane = torch.arange(index.shape[0], device=index.device)
        one_lane = index.shape[0] == 1 and not index.is_cuda  # there, asking for a number waits

        def choose(weights: Tensor, head: Tensor) -> Tensor:
            if one_lane:
                return weights.detach()[:, int(head)]
            return weights.detach()[lane, head]

        return [
            [
                Layer(
                    choose(layer.weight, head),
                    choose(layer.bias, head),
                    None if layer.scale is None else choose(layer.scale, head),
                    None if layer.shift is None else choose(layer.shift, head),
                )
                for layer in self.layers()
            ]
            for head in index.unbind(1)
        ]

    def forward(
        self, *parts: Tensor, layers: list[Layer] | None = None, dropout: Dropout | None = None
    ) -> Tensor:
        """Apply the network to the concatenation of ``parts``.

        Args:
            parts: each (*stack, rows, width), see `linear`.
            layers: other weights than the module's own (from `heads`).
            dropout: of the first hidden layer, whose output is (*stack, rows, hidden).

        Returns:
            Shape (*stack, rows, widths[-1]).
        """
        *hidden, last = self.layers() if layers is None else layers
        for layer, act in zip(hidden, self._acts, strict=True):
            x = linear(layer, *parts, product=self.product)
            if dropout is not None:
                x, dropout = dropout(x), None  # before the normalisation, first layer only
            parts = (act(_normalised(x, layer)),)
        x = linear(last, *parts, product=self.product)
        return x if self._output is None else self._output(_normalised(x, last))


@contextlib.contextmanager
def multiplying(products: Mapping[MLP, Product]) -> Iterator[None]:
    """Within, networks multiply in other ways."""
    before = {network: network.product for network in products}
    try:
        for network, product in products.items():
            network.product = product
        yield
    finally:
        for network, product in before.items():
            network.product = product


def _normalised(x: Tensor, layer: Layer) -> Tensor:
    if layer.scale is None or layer.shift is None:
        return x
    return layer_norm(x, layer.scale, layer.shift)
