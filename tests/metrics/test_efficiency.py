from __future__ import annotations

import time

import pytest
import torch

from latentbench import LatentSpace, NotApplicableError
from latentbench_metrics.efficiency import (
    Compression,
    DecodeLatency,
    EncodeLatency,
    ParameterCount,
    PeakMemory,
    Throughput,
    TrainSeconds,
    compression,
    latency_ms,
)

RECORDED = (TrainSeconds, Throughput, ParameterCount, PeakMemory)


@pytest.mark.parametrize("metric", RECORDED)
def test_recorded_costs(space, metric):
    (name,) = metric.scores
    assert metric(metric.Params()).compute(space) == {name: space.cost[name]}
    assert metric.scores[name].kind == "cost"


def test_a_cost_that_was_not_recorded_is_not_applicable(make_space):
    with pytest.raises(NotApplicableError, match="not recorded for this model"):
        PeakMemory(PeakMemory.Params()).compute(make_space(cost={"train_seconds": 1.0}))
    assert LatentSpace.from_arrays(codes=torch.zeros(3, 1)).missing(TrainSeconds.needs) == "not trained here"


def test_latency_is_per_thousand_rows():
    calls = []

    def slow(rows):
        calls.append(len(rows))
        time.sleep(0.01)
        return rows

    assert 10 * 10 <= latency_ms(slow, torch.zeros(100, 1)) < 10 * 40
    assert calls == [100] * 6


def test_slow_functions_are_not_repeated(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: 3.0 * next(clock))
    assert latency_ms(lambda rows: rows, torch.zeros(1000, 1)) == 3000
    assert next(clock) == 4  # one call to warm up, one that counts


def test_latencies_on_digits(space):
    assert EncodeLatency(EncodeLatency.Params()).compute(space)["encode_ms"] > 0
    assert DecodeLatency(DecodeLatency.Params()).compute(space)["decode_ms"] > 0
    bare = LatentSpace.from_arrays(codes=space.codes, inputs=space.inputs)
    for metric, reason in ((EncodeLatency, "no encoder"), (DecodeLatency, "no decoder")):
        assert bare.missing(metric.needs) == reason
        with pytest.raises(NotApplicableError, match=reason):
            metric(metric.Params()).compute(bare)


def test_compression(space):
    assert compression(torch.zeros(2, 3, 4, 5), torch.zeros(2, 6)) == 10
    assert Compression(Compression.Params()).compute(space) == {"compression": 8.0}
    with pytest.raises(NotApplicableError, match="no inputs"):
        Compression(Compression.Params()).compute(LatentSpace.from_arrays(codes=space.codes))
