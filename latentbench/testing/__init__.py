"""For plugin authors: checks of models, datasets, metrics and pair metrics, and spaces with known answers."""

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
from latentbench.testing.conformance import (
    cases_of,
    check_dataset,
    check_model,
    check_pair_metric,
    parametrize_with_checks,
)
from latentbench.testing.gallery import gallery
from latentbench.testing.rules import Case, RuleResult
from latentbench.testing.sources import code_digest

__all__ = [
    "CHANGES",
    "Case",
    "Check",
    "MovedPosterior",
    "RuleResult",
    "blurred",
    "cases_of",
    "check_dataset",
    "check_metric",
    "check_model",
    "check_pair_metric",
    "code_digest",
    "gallery",
    "moved",
    "parametrize_with_checks",
    "permuted_labels",
    "random_codes",
    "renamed_classes",
    "reordered",
    "without_inputs",
]
