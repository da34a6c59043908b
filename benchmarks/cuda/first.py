"""The first parts of gpu.py: what is there, one trial captured, and a stack, each beside eager or single steps."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import torch

from benchmarks.cuda.checks import OTHER_DEVICE, SAME_DEVICE, Trained, Way, train
from benchmarks.cuda.rates import NEEDS_CUDA, NO_TIME, SOFT, alone, stacked, timed
from benchmarks.cuda.rows import Aim, Row
from benchmarks.cuda.work import PLUGINS, Work
from latentbench.execution.environment import describe_environment
from latentbench.machine import best_precision

__all__ = ["compare_captured", "compare_stack", "tell_versions"]

PRODUCT_SIDE = 256
FASTER = Aim(">=", 1)


def tell_versions(work: Work, _: Sequence[Row], __: float) -> Iterator[Row]:
    """Tell what the machine and its software are, look at the data, and multiply two matrices."""
    machine = describe_environment(PLUGINS, work.device)
    told = {"python": machine["python"], "CUDA": machine["cuda"], **machine["versions"]}
    if work.device == "cuda":
        told["cuDNN"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        free, whole = torch.cuda.mem_get_info()
        told["memory of the GPU"] = f"{free / 2**30:.1f} of {whole / 2**30:.1f} GiB free"
    note = ", ".join(f"{name} {version}" for name, version in told.items())
    yield Row("versions", f"{machine['processor']}, {machine['system']}", machine["cores"], "cores", note=note)
    splits, data = work.splits(), work.dataset.partition(":")[0].replace("arrays", "images of noise")
    for name, split in {"train": splits.train, "test": splits.test}.items():
        digest = hashlib.sha256(split.inputs.tobytes()).hexdigest()[:12]
        shape = " x ".join(map(str, split.inputs.shape[1:]))
        yield Row("versions", f"{data}, {name}", len(split), "images", note=f"{shape}, sha256 {digest}")
    yield _product(work.device)


def _product(device: str) -> Row:
    """Multiply two matrices on both devices."""
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, PRODUCT_SIDE, PRODUCT_SIDE, dtype=torch.float64, generator=generator)
    expected, actual = left @ right, (left.to(device) @ right.to(device)).cpu()
    apart = float((actual - expected).norm() / expected.norm())
    return Row("versions", f"a product of matrices, {device}", apart, "relative", Aim("<=", 1e-12), must=True)


def compare_captured(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Train one trial eagerly and captured: the same numbers, and the rates of both."""
    stop = time.monotonic() + SOFT * seconds
    expected = train(work, Way(work.device), members=1)
    again = Way(work.device, captured=work.device == "cuda")
    yield _distance("captured", f"one trial, {again}, to eager", expected, train(work, again, members=1))
    for batch, precision in product(work.batches, work.precisions):
        row = Row("captured", "one trial, eager", None, batch=batch, precision=precision, members=1)
        ways = {"eager": timed(row, partial(alone, work, batch, precision, captured=False))}
        yield ways["eager"]
        row = replace(row, what="one trial, captured")
        if work.device != "cuda" or time.monotonic() > stop:
            yield replace(row, note=NO_TIME if work.device == "cuda" else NEEDS_CUDA)
            continue
        captured = timed(row, partial(alone, work, batch, precision, captured=True))
        yield captured
        if captured.value and ways["eager"].value:
            what, ratio = "one trial, captured over eager", captured.value / ways["eager"].value
            yield replace(row, what=what, value=ratio, unit="times", aim=FASTER)


def _distance(part: str, what: str, expected: list[Trained], actual: list[Trained]) -> Row:
    """Compare trials from equal weights on equal rows and noise; where captured, learning rates are float32."""
    value = max(one.distance(other) for one, other in zip(actual, expected, strict=True))
    return Row(part, f"losses and codes, {what}", value, "relative", OTHER_DEVICE, must=True)


def compare_stack(work: Work, _: Sequence[Row], seconds: float) -> Iterator[Row]:
    """Train all seeds as one stack and one by one: the same numbers; then the stack's rate and memory."""
    stop, captured = time.monotonic() + SOFT * seconds, work.device == "cuda"
    expected = train(work, Way(work.device, captured=captured), members=work.members)
    together = Way(work.device, together=True, captured=captured)
    row = _distance("stack", f"{together}, to one by one", expected, train(work, together, members=work.members))
    yield replace(row, aim=SAME_DEVICE, members=work.members)
    precision = best_precision(work.device)
    for batch in work.batches:
        row = Row("stack", "a stack", None, batch=batch, precision=precision, members=work.members)
        if time.monotonic() > stop:
            yield replace(row, note=NO_TIME)
        else:
            yield timed(row, partial(stacked, work, batch, precision, matmul=True))
    if captured:
        peak = torch.cuda.max_memory_allocated() / 2**30
        yield Row("stack", "peak memory of a stack", peak, "GiB", members=work.members)
