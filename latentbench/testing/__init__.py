"""For plugin authors: a latent space with known answers, ways to corrupt it, and checks of a metric on both."""

from latentbench.testing.changes import (
    CHANGES,
    MovedPosterior,
    blurred,
    moved,
    permuted_labels,
    random_codes,
    renamed_classes,
    reordered,
    without_inputs,
)
from latentbench.testing.checks import Check, check_metric
from latentbench.testing.gallery import gallery
from latentbench.testing.sources import code_digest

__all__ = [
    "CHANGES",
    "Check",
    "MovedPosterior",
    "blurred",
    "check_metric",
    "code_digest",
    "gallery",
    "moved",
    "permuted_labels",
    "random_codes",
    "renamed_classes",
    "reordered",
    "without_inputs",
]
