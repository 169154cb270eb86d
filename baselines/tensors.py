"""Where torch computes, and how its tensors become plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tdmpc2_bench.baselines import kernels
from tdmpc2_bench.errors import UsageError


def device(name: str) -> torch.device:
    """The device of that name, ready to be computed on.

    Raises:
        UsageError: there is no such device.
    """
    found = torch.device(name)
    if found.type == "cuda" and not torch.cuda.is_available():
        msg = f"device {name!r}: this torch finds no CUDA device; use cpu"
        raise UsageError(msg)
    if found.type != "cuda":
        kernels.keep_memory()
    return found


def array(tensor: Tensor) -> NDArray[Any]:
    """A copy on the CPU: the tensor itself goes on changing."""
    return np.array(tensor.detach().cpu().numpy())
