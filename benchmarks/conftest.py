"""What stands with a stored benchmark: the machine's processor and versions, and not its name."""

from __future__ import annotations

from typing import Any

import torch

from tdmpc2_bench import protocol


def pytest_benchmark_generate_machine_info() -> dict[str, Any]:
    """Replace the plug-in's own facts, the host's name among them."""
    about = protocol.provenance()
    return {
        "processor": about["processor"],
        "cpus": about["cpus"],
        "python": about["python"],
        "threads": torch.get_num_threads(),
        **protocol.learning_versions(),
        "cpu": {},  # the plug-in looks there when it compares
    }
