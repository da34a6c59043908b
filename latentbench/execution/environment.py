"""The machine and the software that a run had, for its environment.json and latentbench env."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

from latentbench.plugins import Plugins

__all__ = ["describe_environment"]


RECORDED = (
    "latentbench",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "POT",
    "pluggy",
    "umap-learn",
)


def describe_environment(plugins: Plugins, device: str = "auto") -> dict[str, Any]:
    """Describe versions, machine and plugins, for `latentbench env` and each run's environment.json.

    Args:
        plugins: what is there.
        device: what a run uses; of "cpu", no GPU is asked for its name, which would take some of its memory.
    """
    import platform

    import torch

    from latentbench.convolutions.choice import chosen_convolutions
    from latentbench.machine import available_cores, environment

    machine = environment("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu", 1, 1)
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": machine["device"],
        "cores": available_cores(),
        "cuda": torch.version.cuda if torch.cuda.is_available() else "none",
        "convolutions": chosen_convolutions(),
        "versions": dict(_versions()),
        "plugins": [asdict(info) for info in plugins.infos],
    }


@cache
def _versions() -> dict[str, str]:
    """Look up the versions once: what describes a distribution is long."""
    return {name: version(name) for name in RECORDED}
