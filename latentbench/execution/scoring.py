"""One metric on one latent space: values with their status, never an exception."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from latentbench.errors import ContractError, NotApplicableError
from latentbench.execution.isolation.failures import described
from latentbench.execution.isolation.put_back import put_back
from latentbench.latent.arithmetic import exact_arithmetic
from latentbench.latent.seals import broken_seals, seal
from latentbench.latent.space import LatentSpace
from latentbench.machine import seeded
from latentbench.metric import Metric
from latentbench.params import build_params
from latentbench.plugins import Plugins
from latentbench.trial import ScoreRequest

__all__ = ["compute", "measure", "unmeasured"]

LOG = logging.getLogger(__name__)


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
    try:
        cls = plugins.load("metric", request.metric)
        with put_back(f"metric {request.metric}"):
            metric = cls(build_params(cls.Params, request.params, f"metric {request.metric!r}"))
            if request.max_items is not None:
                metric.max_items = max(request.max_items, metric.min_items) if request.max_items else None
            used = min(len(space), metric.max_items or len(space))
            values = compute(metric, space, checked=checked)
            reason = "; ".join(filter(None, (space.note, metric.note(space.arranged))))
    except NotApplicableError as error:
        status, reason = "not applicable", described(error)
    except (Exception, SystemExit) as error:
        LOG.exception("metric %s failed", request.metric)
        status, reason = "failed", f"{type(error).__name__}: {described(error)}"
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
    """Return what a metric computes, whatever the order of the items.

    The metric sees the items in an order that their contents decide, so that what it draws by position is the same
    for permuted items. Values it gives for all of them are put back into the order of the space. `checked`: it
    fails if this metric wrote into the space, or anything else did since it was first scored.

    Raises:
        NotApplicableError: the space lacks something, or is too small.
        ContractError: it wrote into the space, or returned no scores by name.
    """
    reason = space.missing(metric.needs)
    if reason:
        raise NotApplicableError(reason)
    if len(space) < metric.min_items:
        raise NotApplicableError(f"needs {metric.min_items} test items, there are {len(space)}")
    seen = space.arranged
    seal(seen)
    if checked and (changed := broken_seals(seen)):
        raise ContractError(
            f"{', '.join(changed)} changed since the space was first scored; build the space again"
        )
    with exact_arithmetic(), seeded(0):
        values = metric.compute(seen)
    if checked and (changed := broken_seals(seen)):
        raise ContractError(f"compute wrote into {', '.join(changed)} of the space; work on a copy")
    if not isinstance(values, Mapping):
        raise ContractError(f"compute must return values by score name, got {type(values).__name__}")
    return {name: _put_back(value, space.order) for name, value in values.items()}


def _put_back(value: Any, order: torch.Tensor) -> Any:
    """Return one value an item in the order the items came in; anything else as it is."""
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
    return {**row, "value": number}, items
