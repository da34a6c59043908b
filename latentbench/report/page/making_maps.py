"""The maps that a run makes for its page, so that its reader need not ask for them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from latentbench.errors import NotApplicableError
from latentbench.execution.maps import trial_map
from latentbench.latent.maps.projection import Map
from latentbench.latent.space import LatentSpace
from latentbench.records import Record

if TYPE_CHECKING:
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["completed_maps"]


def completed_maps(
    results: Results, trial: Trial, space: LatentSpace, stored: Sequence[Map], methods: Sequence[str]
) -> list[Map]:
    """Put the maps by these methods into the run that are not there yet; return all that are there then.

    References get none: the page computes their PCA maps itself, without judging them. A map that cannot be made
    costs the page nothing else.

    Args:
        results: of the run.
        trial: whose codes are mapped.
        space: its latent space of the test split.
        stored: the maps that are there.
        methods: of `latentbench.latent.maps.projection.METHODS`.
    """
    maps = {(each.method, each.seed, len(each.rows)): each for each in stored}
    for method in () if trial.traits.reference else methods:
        try:
            made = trial_map(Record(results.path, trial.key), space, method, results.loaded_plugins())
        except NotApplicableError:
            continue  # too few codes
        except Exception as error:  # noqa: BLE001 - the run's scores must be shown all the same
            warnings.warn(
                f"no map by {method} is made of {trial.label}: {type(error).__name__}: {error}", stacklevel=2
            )
            continue
        maps[made.method, made.seed, len(made.rows)] = made
    return list(maps.values())
