"""The built-in metrics of latentbench, registered like anybody's plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl


@hookimpl
def register_metrics(register: Callable[..., None]) -> None:
    """Offer the built-in metrics."""
