"""How rewards and values are regressed: two-hot bins in symlog space, or plain numbers.

Source: TD-MPC2, section 3.1 ("discrete regression in a log-transformed space"); symlog and the
two-hot target from DreamerV3 (Hafner et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|)."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """sign(x) (e^|x| - 1), the inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


@dataclass(frozen=True, slots=True)
class Regression:
    """A scalar as network output, and its loss.

    ``num_bins`` 101: logits over bins on [-limit, limit] in symlog space; 1: the symlog value
    itself; 0: the plain value.
    """

    num_bins: int
    limit: float

    @property
    def width(self) -> int:
        """Length of the network's output."""
        return max(self.num_bins, 1)

    def decode(self, output: Tensor) -> Tensor:
        """Scalar that ``output`` (..., width) stands for, shape (...).

        The expectation over bins is taken in symlog space and then transformed back; for spread
        distributions that lies below the mean, as in the method.
        """
        if self.num_bins == 0:
            return output.squeeze(-1)
        if self.num_bins == 1:
            return symexp(output.squeeze(-1))
        bins = torch.linspace(-self.limit, self.limit, self.num_bins, device=output.device)
        return symexp(output.softmax(-1) @ bins)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of ``output`` (..., width) for the scalars ``target``, shape (...).

        Cross-entropy against the two-hot target, or the squared error without bins.
        """
        if self.num_bins == 0:
            return (output.squeeze(-1) - target).square()
        if self.num_bins == 1:
            return (output.squeeze(-1) - symlog(target)).square()
        position = (symlog(target).clamp(-self.limit, self.limit) + self.limit) / self._bin_width
        low = position.floor()
        upper = (position - low).unsqueeze(-1)  # weight of the next bin
        index = low.long().unsqueeze(-1)
        log_prob = output.log_softmax(-1)
        # Past the last bin the weight is 0, so any index will do there.
        next_index = (index + 1).clamp(max=self.num_bins - 1)
        two_hot = (1 - upper) * log_prob.gather(-1, index) + upper * log_prob.gather(-1, next_index)
        return -two_hot.squeeze(-1)

    @property
    def _bin_width(self) -> float:
        return 2 * self.limit / (self.num_bins - 1)
