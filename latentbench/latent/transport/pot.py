"""POT (Python Optimal Transport), imported without its optional back ends."""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["pot"]


def pot() -> ModuleType:
    """Import POT without JAX, CuPy and TensorFlow, which it would import too if installed."""
    for backend in ("JAX", "CUPY", "TENSORFLOW"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{backend}", "1")
    import ot

    module: ModuleType = ot
    return module
