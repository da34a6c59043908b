"""The built-in models of latentbench, registered like anybody's plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl


@hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Offer the built-in models."""
