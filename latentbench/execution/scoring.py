"""One metric on one latent space: values with their status, never an exception."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from latentbench.errors import ContractError, NotApplicableError, near_matches
from latentbench.execution.isolation.failures import described, located
from latentbench.execution.isolation.put_back import put_back
from latentbench.latent.arithmetic import full_precision
from latentbench.latent.part import part_of
from latentbench.latent.seals import broken_seals, seal
from latentbench.latent.space import LatentSpace
from latentbench.machine import seeded
from latentbench.metric import Metric
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.trial import ScoreRequest

__all__ = ["compute", "given_to", "measure", "unmeasured"]

LOG = logging.getLogger(__name__)
ROUNDING = 1e-5  # relative: how far a value may lie outside its range


def measure(
    request: ScoreRequest, plugins: Plugins, space: LatentSpace, *, checked: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compute one metric; what it cannot do becomes a status ("not applicable", "failed") and a reason.

    What it leaves changed in the process is put back. `checked`: it fails if it wrote into the space.

    Returns:
        The scores as they are stored, and the per-item values `(n,)` of those that have them.
    """
    started = time.perf_counter()
    status, reason, used = "ok", "", 0
    values: Mapping[str, Any] = {}
    cls: type[Metric] | None = None
    try:
        cls = plugins.load("metric", request.metric)
        with put_back(f"metric {request.metric}"):
            metric: Any = cls(build_params(cls.Params, request.params, f"metric {request.metric!r}"))
            if request.max_items is not None:
                metric.max_items = max(request.max_items, metric.min_items) if request.max_items else None
            given = given_to(metric, space)
            used = len(given)
            values, said = _computed(metric, given, checked)
            _refuse_undeclared(values, metric)
            values = {name: _put_back(value, space.order) for name, value in values.items()}
            reason = "; ".join(filter(None, (space.note, metric.note(given), said)))
    except NotApplicableError as error:
        status, reason = "not applicable", described(error)
    except (Exception, SystemExit) as error:
        LOG.exception("metric %s failed", request.metric)
        status, reason = "failed", f"{type(error).__name__}: {located(error, cls)}"
    rows, items = {}, {}
    for name in request.scores:
        rows[name], per_item = _score_row(request, name, values, status, reason, used)
        if per_item is not None:
            items[name] = per_item
    return _stored(request, rows, used, time.perf_counter() - started), items


def unmeasured(request: ScoreRequest, status: str, reason: str) -> dict[str, Any]:
    """Return the scores of a metric that could not even be tried, as they are stored."""
    rows = {name: _score_row(request, name, {}, status, reason, 0)[0] for name in request.scores}
    return _stored(request, rows, 0, 0.0)


def compute(metric: Metric, space: LatentSpace, *, checked: bool = True) -> Mapping[str, Any]:
    """Return what a metric computes, whatever the order of the items; values for all of them in that of the space.

    `checked`: it fails if this metric wrote into the space, or anything else did since it was first scored.

    Raises:
        NotApplicableError: the space lacks something, or is too small.
        ContractError: it wrote into the space, or returned no scores by name.
    """
    values, _ = _computed(metric, given_to(metric, space), checked)
    return {name: _put_back(value, space.order) for name, value in values.items()}


def given_to(metric: Metric, space: LatentSpace) -> LatentSpace:
    """Return what a metric sees: items in an order that their contents decide, at most as many as it takes.

    So what it draws by position is the same for permuted items.

    Raises:
        NotApplicableError: the space lacks something, or is too small.
        ContractError: the metric chooses items that there are not.
    """
    if reason := space.missing(metric.needs):
        raise NotApplicableError(reason)
    if len(space) < metric.min_items:
        raise NotApplicableError(f"needs {metric.min_items} test items, there are {len(space)}")
    rows = metric.chosen_rows(len(space))
    if rows is None:
        return space.arranged
    whole = isinstance(rows, torch.Tensor) and rows.ndim == 1 and rows.dtype == torch.int64 and len(rows) > 0
    if not whole or int(rows.min()) < 0 or int(rows.max()) >= len(space):
        raise ContractError(
            f"chosen_rows must return row numbers from 0 to {len(space) - 1} as a tensor (m,) of int64, or None, "
            f"got {rows!r}"[:300]
        )
    return part_of(space.arranged, rows)


def _computed(metric: Metric, given: LatentSpace, checked: bool) -> tuple[Mapping[str, Any], str]:
    """Return the values of a metric, and the note that it returns beside them."""
    seal(given)
    if checked and (changed := broken_seals(given)):
        raise ContractError(
            f"{', '.join(changed)} changed since the space was first scored; build the space again"
        )
    with full_precision(), seeded(0):
        returned = metric.compute(given)
    if checked and (changed := broken_seals(given)):
        raise ContractError(f"compute wrote into {', '.join(changed)} of the space; work on a copy")
    values, note = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, "")
    if not isinstance(values, Mapping):
        raise ContractError(f"compute must return values by score name, got {type(values).__name__}")
    if not isinstance(note, str):
        raise ContractError(f"compute must return a note beside its values as text, got {type(note).__name__}")
    return values, note


def _refuse_undeclared(values: Mapping[str, Any], metric: Metric) -> None:
    """Raise ContractError if a metric returned a score that it does not declare."""
    for name in values:
        if name not in metric.scores:
            raise ContractError(
                f"compute returned the score {name!r}, which {type(metric).__name__}.scores does not declare"
                + (near_matches(str(name), metric.scores) or "; declare it there")
            )


def _put_back(value: Any, order: torch.Tensor) -> Any:
    """Return one value an item in the order the items came in; anything else as it is."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
        value = torch.from_numpy(np.ascontiguousarray(value))
    if not isinstance(value, torch.Tensor) or value.shape != order.shape:
        return value
    back = torch.empty_like(value)
    back[order.to(value.device)] = value
    return back


def _stored(request: ScoreRequest, rows: Mapping[str, Any], n_eval: int, seconds: float) -> dict[str, Any]:
    return {
        "metric": request.metric,
        "version": request.version,
        "source": request.source,
        "n_eval": n_eval,
        "seconds": seconds,
        "scores": dict(rows),
    }


def _range(request: ScoreRequest, name: str) -> tuple[float, float]:
    """Return the smallest and largest value that a score may have."""
    low, high = request.scores[name].get("range", (None, None))
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def _score_row(
    request: ScoreRequest, name: str, values: Mapping[str, Any], status: str, reason: str, used: int
) -> tuple[dict[str, Any], Any]:
    """One score as it is stored: value, standard error over items, status; and its per-item values."""
    row: dict[str, Any] = {"status": status, "reason": reason, "value": None, "se": None}
    if status != "ok":
        return row, None
    if name not in values:
        return {**row, "status": "failed", "reason": f"metric {request.metric!r} returned no score {name!r}"}, None
    value = values[name]
    if isinstance(value, NotApplicableError):
        return {**row, "status": "not applicable", "reason": str(value)}, None
    items = None
    if isinstance(value, torch.Tensor) and value.ndim == 1:
        items = value.detach().double().cpu().numpy()
        if len(items) != used:
            reason = f"metric {request.metric!r} returned {len(items)} values for {used} test items in {name!r}"
            return {**row, "status": "failed", "reason": reason}, None
        value, row["se"] = items.mean(), float(items.std(ddof=1) / len(items) ** 0.5) if len(items) > 1 else None
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        got = f"shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)[:80]
        reason = f"metric {request.metric!r} must return a number, or one a test item, for {name!r}, got {got}"
        return {**row, "status": "failed", "reason": reason}, None
    if not np.isfinite(number):
        return {**row, "status": "failed", "reason": f"metric {request.metric!r} returned {number}"}, None
    low, high = _range(request, name)
    if not low - ROUNDING * max(1.0, abs(low)) <= number <= high + ROUNDING * max(1.0, abs(high)):
        reason = (
            f"metric {request.metric!r} returned {number:.6g} for {name!r}, which declares the range "
            f"{low:g} to {high:g}; correct one of them"
        )
        return {**row, "status": "failed", "reason": reason}, None
    return {**row, "value": number}, items
