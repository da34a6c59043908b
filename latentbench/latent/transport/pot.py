"""POT, without the back ends that it would import too."""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["pot"]


def pot() -> ModuleType:
    """Import POT without the back ends it would otherwise import too."""
    for backend in ("JAX", "CUPY", "TENSORFLOW"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{backend}", "1")
    import ot

    module: ModuleType = ot
    return module
