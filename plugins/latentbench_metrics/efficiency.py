"""What a latent space costs: training, encoding, decoding, and how much smaller codes are than inputs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from latentbench import Invariance, LatentSpace, Metric, Need, NotApplicableError, Score, Tier

__all__ = [
    "Compression",
    "DecodeLatency",
    "EncodeLatency",
    "ParameterCount",
    "PeakMemory",
    "Throughput",
    "TrainSeconds",
    "compression",
    "latency_ms",
]

ITEMS = 1000
REPEATS = 5
PATIENCE = 2.0  # seconds after which no further repeat begins
POSITIVE = (0.0, math.inf)


def compression(inputs: Tensor, codes: Tensor) -> float:
    """Numbers in an input over numbers in its code, D / d; no better direction.

    Source: a plain count.

    Traps: it counts numbers, not bits: a float holds 32 bits, and `rate` says how much of that is used.

    >>> compression(torch.zeros(3, 1, 28, 28), torch.zeros(3, 16))
    49.0
    """
    return inputs[0].numel() / codes.shape[1]


def latency_ms(function: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    """Median milliseconds per 1000 rows of `function(rows)`, after one untimed call.

    Five repeats, or fewer when they take over two seconds in all.

    >>> latency_ms(lambda rows: rows, torch.zeros(10, 1)) < 1000
    True
    """
    _seconds(function, rows)
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < PATIENCE:
        taken.append(_seconds(function, rows))
    return statistics.median(taken) * 1000 * 1000 / len(rows)


def _seconds(function: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    begin = time.perf_counter()
    function(rows)
    if rows.is_cuda:
        torch.cuda.synchronize(rows.device)
    return time.perf_counter() - begin


class _Recorded(Metric):
    """A cost recorded during training, under the name of its score."""

    needs: ClassVar[tuple[Need, ...]] = ("cost",)

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return what was recorded."""
        (name,) = self.scores
        value = space.cost.get(name)
        if value is None:
            raise NotApplicableError("not recorded for this model")
        return {name: float(value)}


class TrainSeconds(_Recorded):
    """Recorded with the training."""

    scores: ClassVar[Mapping[str, Score]] = {
        "train_seconds": Score("down", purpose="cost", headline=True, range=POSITIVE, unit="s", kind="cost"),
    }


class Throughput(_Recorded):
    """Recorded with the training."""

    scores: ClassVar[Mapping[str, Score]] = {
        "images_per_second": Score("up", purpose="cost", headline=True, range=POSITIVE, unit="1/s", kind="cost"),
    }


class ParameterCount(_Recorded):
    """Recorded with the training."""

    scores: ClassVar[Mapping[str, Score]] = {
        "parameters": Score("down", purpose="cost", range=POSITIVE, kind="cost"),
    }


class PeakMemory(_Recorded):
    """Recorded with the training: on a GPU its memory, else that of the process."""

    scores: ClassVar[Mapping[str, Score]] = {
        "peak_memory_bytes": Score(
            "down",
            purpose="cost",
            headline=True,
            range=POSITIVE,
            unit="B",
            kind="cost",
        ),
    }


class EncodeLatency(Metric):
    """Measured when the score is computed: the median of at most five repeats."""

    scores: ClassVar[Mapping[str, Score]] = {
        "encode_ms": Score("down", purpose="cost", range=POSITIVE, unit="ms", kind="cost"),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs", "encoder")
    tier: ClassVar[Tier] = "full"

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the median of a few repeats."""
        return {"encode_ms": latency_ms(space.encode, space.inputs[:ITEMS])}


class DecodeLatency(Metric):
    """Measured when the score is computed: the median of at most five repeats."""

    scores: ClassVar[Mapping[str, Score]] = {
        "decode_ms": Score("down", purpose="cost", range=POSITIVE, unit="ms", kind="cost"),
    }
    needs: ClassVar[tuple[Need, ...]] = ("decoder",)
    tier: ClassVar[Tier] = "full"

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return the median of a few repeats."""
        return {"decode_ms": latency_ms(space.decode, space.codes[:ITEMS])}


class Compression(Metric):
    """Numbers are counted, not bits: see `rate` for the information in a code."""

    scores: ClassVar[Mapping[str, Score]] = {
        "compression": Score("none", purpose="cost", range=POSITIVE, ceiling="pixels"),
    }
    needs: ClassVar[tuple[Need, ...]] = ("inputs",)
    invariances: ClassVar[tuple[Invariance, ...]] = ("shift", "scale", "rotation")

    def compute(self, space: LatentSpace) -> Mapping[str, float]:
        """Return D / d."""
        return {"compression": compression(space.inputs, space.codes)}
