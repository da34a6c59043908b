"""The maps that a run makes for its page, so that its reader need not ask for them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from latentbench.errors import NotApplicableError
from latentbench.execution.maps import trial_map
from latentbench.records import Record
from latentbench.report.page.pictures import median_trials

if TYPE_CHECKING:
    from latentbench.plugins import Plugins
    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["make_maps"]


def make_maps(results: Results, methods: Sequence[str], plugins: Plugins) -> None:
    """Make the maps of each compared model's median seed that are not there yet, and put them into the run.

    References get none: the page computes their PCA maps itself, without judging them. A model of which none can
    be made costs the page nothing else.

    Args:
        results: of the run.
        methods: of `latentbench.latent.maps.projection.METHODS`.
        plugins: where the metrics come from that judge maps.
    """
    for trial in _compared(results) if methods else ():
        try:
            space = results.latent_space(trial)
            for method in methods:
                trial_map(Record(results.path, trial.key), space, method, plugins)
        except NotApplicableError:
            continue  # too few codes, or a model that cannot be loaded: the page says so
        except Exception as error:  # noqa: BLE001 - a plugin's model; the run's scores must be shown all the same
            warnings.warn(f"no maps are made of {trial.label}: {type(error).__name__}: {error}", stacklevel=2)


def _compared(results: Results) -> Iterator[Trial]:
    for dataset in dict.fromkeys(trial.dataset for trial in results.trials):
        yield from (trial for trial in median_trials(results, dataset) if not trial.traits.reference)
