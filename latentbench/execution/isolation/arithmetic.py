"""Settings that numbers depend on."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from latentbench.execution.isolation.setting import Shared, attribute

__all__ = ["arithmetic"]

PRECISIONS = ("", "cuda.matmul", "cudnn", "cudnn.conv", "cudnn.rnn", "mkldnn", "mkldnn.matmul", "mkldnn.conv")


def _precisions() -> Iterator[Shared]:
    """Yield the precision of matrix products and convolutions; the old flag first, as it writes the new ones."""
    yield Shared(
        "precision of matrix products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    )
    backends: Any = torch.backends
    for path in PRECISIONS:
        with contextlib.suppress(AttributeError):  # torch before 2.9 has the old flag alone
            owner = operator.attrgetter(path)(backends) if path else backends
            label = f"torch.backends.{path}".rstrip(".") + ".fp32_precision"
            yield replace(attribute(owner, "fp32_precision", label), differs=_differ)


def _differ(before: str, now: str) -> bool:
    """Whether precisions differ: writing the old flag turns "none" (no choice) into "ieee"."""
    return {before, now} not in ({before}, {"none", "ieee"})


def _autocast_depth() -> int:
    """Return how many autocast contexts are open."""
    torch.autocast_increment_nesting()
    return int(torch.autocast_decrement_nesting())


def _balance_autocast(before: int) -> None:
    """Close the contexts left open, or open as many again."""
    for _ in range(_autocast_depth() - before):
        torch.autocast_decrement_nesting()
    for _ in range(before - _autocast_depth()):
        torch.autocast_increment_nesting()


def _read_autocast() -> tuple[Any, ...]:
    return torch.is_autocast_cache_enabled(), *(
        (kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")
    )


def _write_autocast(before: Any) -> None:
    cached, *kinds = before
    torch.set_autocast_cache_enabled(cached)
    for kind, enabled, dtype in kinds:
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)


def _read_anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _flushes() -> bool:
    """Whether numbers too small for the normal form become 0."""
    return float(torch.full((), 1e-310, dtype=torch.float64, device="cpu").mul(1)) == 0


def _write_device(before: torch.device) -> None:
    torch.set_default_device(None if before == torch.device("cpu") else before)


def arithmetic() -> Iterator[Shared]:
    """Yield what numbers depend on."""
    yield Shared("default dtype of torch", torch.get_default_dtype, torch.set_default_dtype)
    yield Shared("default device of torch", torch.get_default_device, _write_device)
    yield Shared("mode of gradients", torch.is_grad_enabled, torch.set_grad_enabled)
    yield Shared("inference mode", torch.is_inference_mode_enabled, lambda _: None)
    yield Shared("autocast", _read_autocast, _write_autocast)
    yield Shared("autocast contexts left open", _autocast_depth, _balance_autocast)
    yield Shared("anomaly detection", _read_anomaly, lambda before: torch.autograd.set_detect_anomaly(*before))
    yield Shared(
        "choice of deterministic algorithms",
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    )
    yield Shared("number of threads", torch.get_num_threads, torch.set_num_threads)
    yield Shared("rounding of tiny numbers", _flushes, torch.set_flush_denormal)
    yield from _precisions()
    for name in ("benchmark", "deterministic", "enabled"):
        yield attribute(torch.backends.cudnn, name, f"torch.backends.cudnn.{name}")
    yield Shared("handling of errors in numpy", np.geterr, lambda before: np.seterr(**before))
    yield Shared("caller of errors in numpy", np.geterrcall, np.seterrcall)
