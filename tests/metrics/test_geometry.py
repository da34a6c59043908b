from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentbench import LatentSpace
from latentbench_metrics import geometry
from latentbench_metrics.geometry import ActiveUnits, active_units, codebook_perplexity

SPREADS = torch.tensor([1.0] * 3 + [1e-2] * 5)  # standard deviations: variances 1 and 1e-4


def codes(seed=0):
    return torch.randn(2000, 8, generator=torch.Generator().manual_seed(seed)) * SPREADS


def test_three_of_eight_units_are_active():
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


@pytest.mark.parametrize("size", [1, 2, 64, 1000])
def test_perplexity_of_even_use_and_of_a_single_entry(size):
    assert codebook_perplexity(torch.full((size,), 7)) == pytest.approx(size, rel=1e-12)
    assert codebook_perplexity(torch.eye(size)[0]) == 1


def test_perplexity_agrees_with_scipy():
    from scipy.stats import entropy

    counts = torch.randint(0, 50, (200,), generator=torch.Generator().manual_seed(0))
    expected = math.exp(entropy(counts.numpy()))
    assert codebook_perplexity(counts) == pytest.approx(expected, rel=1e-12)
    assert codebook_perplexity(counts.flip(0).float() / 3) == pytest.approx(expected, rel=1e-6)
    assert codebook_perplexity(torch.cat([counts, torch.zeros(9)])) == pytest.approx(expected, rel=1e-6)
    assert codebook_perplexity(torch.tensor([3, 1])) == pytest.approx(4 / 3**0.75)


@pytest.mark.parametrize("counts", [[0, 0], [1, -1], [[1, 2]], [], [math.nan, 1]])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(ValueError, match="counts must be"):
        codebook_perplexity(torch.tensor(counts))


def test_every_exported_name_is_there():
    assert all(callable(getattr(geometry, name)) for name in geometry.__all__)
    assert set(geometry.__all__) >= {"active_units", "participation_ratio", "codebook_perplexity"}
