"""Whether networks are compiled by torch.compile: where it was measured to pay, or is forced.

On a CPU it does not pay: products and elementwise work take as long, and half a minute is lost at
the start (docs/performance.md). On an accelerator, where small operations wait for one another, it
may; each machine is measured once.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tdmpc2_bench import machine
from tdmpc2_bench.baselines.products import median
from tdmpc2_bench.errors import UsageError

VARIABLE = "TDMPC2_BENCH_COMPILE"  # on, off or auto
_MODES = ("auto", "on", "off")
_CACHE = machine.Cache("compiling")
_WORTHWHILE = 0.9  # of the time without: what compiled networks must stay below
# Networks share their code and meet many shapes: with torch's limit of 8, most would be left out.
_RECOMPILATIONS = 128


def compile_where_it_pays(networks: Sequence[nn.Module], network: nn.Module, x: Tensor) -> bool:
    """Compile networks in place, each when it is first called; whether that was done.

    Args:
        networks: all that could be.
        network: the one that is called most, to measure with where nothing is forced.
        x: a typical input of it.

    Raises:
        UsageError: `VARIABLE` has no meaning.
    """
    mode = os.environ.get(VARIABLE, "auto")
    if mode not in _MODES:
        msg = f"{VARIABLE}={mode}: expected one of {', '.join(_MODES)}"
        raise UsageError(msg)
    if mode == "off" or (mode == "auto" and not _pays_here(network, x)):
        return False
    torch._dynamo.config.recompile_limit = _RECOMPILATIONS  # noqa: SLF001 - its documented place
    for one in networks:
        one.compile()
    return True


def _pays_here(network: nn.Module, x: Tensor) -> bool:
    if not x.is_cuda:
        return False
    key = machine.Keys().of(device=torch.cuda.get_device_name(x.device), shape=list(x.shape))
    return bool(_CACHE.known(key, lambda: pays(network, x)))


@torch.no_grad()
def pays(network: nn.Module, x: Tensor) -> bool:
    """Whether a network is clearly quicker compiled; not where it cannot be compiled at all."""
    compiled = copy.deepcopy(network)
    compiled.compile()
    try:
        compiled(x)
    except Exception as error:  # noqa: BLE001 - a compiler may fail in any way
        warnings.warn(f"networks cannot be compiled here: {error}", stacklevel=2)
        return False
    return median(lambda: compiled(x)) < _WORTHWHILE * median(lambda: network(x))
