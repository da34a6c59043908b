from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace
from latentbench_metrics.geometry import ActiveUnits, active_units

SPREADS = torch.tensor([1.0] * 3 + [1e-2] * 5)  # standard deviations: variances 1 and 1e-4


def codes(seed=0):
    return torch.randn(2000, 8, generator=torch.Generator().manual_seed(seed)) * SPREADS


def test_m5_three_of_eight_units_are_active():
    assert active_units(codes()) == 3
    assert active_units(codes().double()) == 3
    assert active_units(torch.zeros(10, 4)) == 0


def test_the_limit_is_on_the_variance():
    column = torch.tensor([-1.0, 1.0]).repeat(5000)[:, None]
    assert active_units(0.0999 * column) == 0
    assert active_units(0.1001 * column) == 1


@given(seed=st.integers(0, 1000), shift=st.floats(-1000, 1000))
@settings(max_examples=10, deadline=None)
def test_shift_and_order_do_not_matter(seed, shift):
    sample = codes(seed).double()
    assert active_units(sample[torch.randperm(len(sample))] + shift) == 3


def test_metric_needs_codes_only():
    assert ActiveUnits(ActiveUnits.Params()).compute(LatentSpace.from_arrays(codes=codes())) == {
        "active_units": 3.0
    }
    assert ActiveUnits.scores["active_units"].headline
