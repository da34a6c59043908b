"""How the models of a run look: one color and one marker a model, in all of its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentbench.drawing.style import model_places

if TYPE_CHECKING:
    from latentbench.results import Results

__all__ = ["run_places"]


def run_places(results: Results) -> dict[str, int]:
    """Return the place of each model among those of its kind, in the order of the run, over all its data sets."""
    return model_places((trial.model, trial.traits.reference) for trial in results.trials)
