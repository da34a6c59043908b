"""How long things take on all of the data: measured on two samples of it, and continued from there."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from latentbench.dataset import Split, Splits
from latentbench.errors import LatentbenchError
from latentbench.execution.scoring import measure
from latentbench.latent.space import LatentSpace
from latentbench.metric import Metric
from latentbench.model import GradientModel, Model
from latentbench.opening import split_space
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.training.trainer import derive_seed
from latentbench.trial import ScoreRequest, Trial

__all__ = ["SampledTimes", "continued", "sample_times"]

SAMPLES = (150, 450)  # test items; of fewer there are all
AFFORDED = 10.0  # seconds for a model; what its first sample took longer for is not looked at again
STEEPEST = 2.0  # power of the number of items
NOTICEABLE = 0.02  # seconds; of less, the growth is mostly chance


@dataclass(frozen=True)
class SampledTimes:
    """What a model and its metrics took on samples of the data.

    Attributes:
        fitting: (training items, seconds) of each sample, of a model without steps.
        metrics: by the request's stem, (test items of the sample, items that the metric used, seconds).
    """

    fitting: Sequence[tuple[int, float]]
    metrics: Mapping[str, Sequence[tuple[int, int, float]]]

    def fit_seconds(self, items: int) -> float:
        """Return what fitting to so many training items takes; NaN where that is not known."""
        return continued(self.fitting, items)

    def score_seconds(self, request: ScoreRequest, items: int, plugins: Plugins) -> float:
        """Return what a metric takes on a split of so many items; NaN where that is not known."""
        looks = self.metrics.get(request.stem, ())
        if not looks:
            return math.nan
        if not looks[-1][1]:  # it is not applicable
            return looks[-1][2]
        most = _used(request, items, plugins)
        if looks[-1][1] < most:
            return continued([(used, seconds) for _, used, seconds in looks], most)
        same = looks[0][1] == looks[-1][1]  # only the training data have grown, if anything
        return continued([(size, seconds) for size, _, seconds in looks], items) if same else looks[-1][2]


def continued(looks: Sequence[tuple[int, float]], size: int) -> float:
    """Continue the seconds at two sizes to another, by the power of the size that goes through them.

    It lies between 0 and 2; it is 1 where the seconds are too few to tell, or of one size alone. NaN without any.

    Args:
        looks: (size, seconds), the smallest first.
        size: that of the answer.

    >>> continued([(100, 1.0), (200, 2.0)], 800)
    8.0
    >>> continued([(100, 1.0), (200, 0.9)], 800), continued([(100, 1.0)], 800)
    (0.9, 8.0)
    """
    if not looks:
        return math.nan
    (small, before), (large, after) = looks[0], looks[-1]
    if len(looks) == 1 and large > 0:
        return float(after * max(1.0, size / large))
    if min(before, after, small) <= 0 or small >= large:
        return after
    power = math.log(after / before) / math.log(large / small)
    steepest = STEEPEST if after >= NOTICEABLE else 1.0
    return float(after * (size / large) ** min(steepest, max(0.0, power)))


def sample_times(
    trial: Trial,
    model: Model,
    splits: Splits,
    requests: Iterable[ScoreRequest],
    plugins: Plugins,
    *,
    warm: bool = False,
) -> SampledTimes:
    """Time a model, which is on its device, and its metrics on samples of the data.

    A model without steps is fitted to each sample; where it fails, nothing is known. Unless all is `warm`, each
    sample is looked at once before: libraries are loaded, and what metrics make once for a dataset is made. Where
    the first look takes long, it stays the only one.
    """
    began = time.perf_counter()
    asked = {request.stem: request for request in requests}
    total = len(splits.test)
    fitting: list[tuple[int, float]] = []
    metrics: dict[str, list[tuple[int, int, float]]] = {stem: [] for stem in asked}
    for size in SAMPLES if total > SAMPLES[-1] else (total,):
        if fitting and time.perf_counter() - began > AFFORDED:
            break
        part = _part_of(splits, size / total)
        sampled = trial if size == total else replace(trial, fingerprint=_fingerprint(trial, size))
        with suppress(Exception):  # as a sample too small for the model
            for _ in range(1 if warm else 2):
                seconds, space = _fitted(sampled, model, part)
                looks = [measure(request, plugins, space, checked=False)[0] for request in asked.values()]
                if time.perf_counter() - began > AFFORDED:
                    break
            fitting.append((len(part.train), seconds))
            for stem, rows in zip(asked, looks, strict=True):
                metrics[stem].append((size, rows["n_eval"], rows["seconds"]))
    return SampledTimes(fitting, metrics)


def _fingerprint(trial: Trial, size: int) -> str:
    """Return a fingerprint of a sample: what metrics keep by it must never be taken for that of the whole."""
    return hashlib.sha256(f"{size} of {trial.fingerprint}".encode()).hexdigest()


def _fitted(trial: Trial, model: Model, part: Splits) -> tuple[float, LatentSpace]:
    """Fit a model without steps; return the seconds that it took, and the test split seen through the model."""
    started = time.perf_counter()
    codes = None
    if not isinstance(model, GradientModel):
        model.fit(part.train, torch.Generator().manual_seed(derive_seed(trial.seed, "fit")))
        if model.encoder == "none":
            codes = split_space(model, trial, part, "test", None).codes
    else:
        model.eval()
    seconds = time.perf_counter() - started
    return seconds, split_space(model, trial, part, "test", None, codes)


def _part_of(splits: Splits, share: float) -> Splits:
    if share == 1:
        return splits
    train, validation, test = (_rows_of(each, share) for each in (splits.train, splits.validation, splits.test))
    return replace(splits, train=train, validation=validation, test=test, carved=None)


def _rows_of(split: Split, share: float) -> Split:
    rows = np.random.default_rng(0).permutation(len(split))[: max(1, round(share * len(split)))]
    return split.take(np.sort(rows))


def _used(request: ScoreRequest, items: int, plugins: Plugins) -> int:
    """Return how many of so many items a metric uses."""
    try:
        cls: type[Metric] = plugins.load("metric", request.metric)
        metric = cls(build_params(cls.Params, request.params, f"metric {request.metric!r}"))
        most = metric.max_items if request.max_items is None else max(request.max_items, metric.min_items)
        if request.max_items is not None:
            metric.max_items = most if request.max_items else None  # type: ignore[misc]  # of this one alone
        rows = metric.chosen_rows(items)
    except LatentbenchError:
        return items
    return items if rows is None else len(rows)
