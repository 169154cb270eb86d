"""What torch spends its time on, by kind of work."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

# Kinds of work by the names of torch's operations; all other operations are "elementwise".
_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "linear", "mkldnn", "addmv", "mv", "dot")
_OPTIMISER = ("_fused_adam", "lerp", "_foreach_lerp")


def shares(work: Callable[[], object]) -> dict[str, float]:
    """Fractions of the time that ``work`` takes on the CPU.

    "products", "elementwise" (all else that torch computes or copies), "optimiser" (Adam and moving
    averages) and "python" (what no operation of torch accounts for). Watching costs time itself, on
    each operation, so many small ones count for a little more than without.
    """
    work()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        begun = time.perf_counter()
        work()
        seconds = time.perf_counter() - begun
    found = {"products": 0.0, "elementwise": 0.0, "optimiser": 0.0}
    for event in watched.key_averages():
        if event.key.startswith("aten::") or event.key.startswith("mkldnn::"):
            found[_kind(event.key)] += event.self_cpu_time_total / 1e6  # microseconds
    parts = {kind: min(spent / seconds, 1.0) for kind, spent in found.items()}
    return {**parts, "python": max(1.0 - sum(parts.values()), 0.0)}


def _kind(operation: str) -> str:
    name = operation.rpartition("::")[2].rstrip("_")
    if operation.startswith("mkldnn::") or name in _PRODUCTS:
        return "products"
    return "optimiser" if name in _OPTIMISER else "elementwise"
