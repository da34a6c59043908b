from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench.latent.transport import plans
from latentbench.latent.transport.plans import image_plan
from latentbench.latent.transport.pot import pot


def image(*shape, seed=0):
    drawn = torch.from_numpy(np.random.default_rng(seed).random(shape))
    return torch.where(drawn > 0.4, drawn, 0)


def as_matrix(sources, targets, moved, width):
    """The plan between all pixels of two images of this width."""
    from_, to = (places[:, 0] * width + places[:, 1] for places in (sources, targets))
    matrix = torch.zeros(int(from_.max()) + 1, int(to.max()) + 1, dtype=torch.float64)
    return matrix.index_put_((from_.long(), to.long()), moved, accumulate=True)


def test_a_plan_is_that_of_pot_and_its_marginals_are_exact():
    start, end = image(6, 7), image(6, 7, seed=1)
    end[:, 5:] = 0
    sources, targets, moved = image_plan(start, end, 1.5)
    lit = [(each > 0).flatten() for each in (start, end)]
    plan = as_matrix(sources, targets, moved, 7)[lit[0][: int(lit[0].nonzero()[-1]) + 1]]
    plan = plan[:, lit[1][: plan.shape[1]]]
    heaps = [(each[each > 0] / each.sum()).numpy() for each in (start, end)]
    np.testing.assert_allclose(plan.sum(1).numpy(), heaps[0], rtol=1e-12)
    np.testing.assert_allclose(plan.sum(0).numpy(), heaps[1], rtol=1e-12)
    costs = pot().dist(*(each.nonzero().double().numpy() for each in (start, end)))
    expected = pot().sinkhorn(*heaps, costs, 1.5, method="sinkhorn_log", stopThr=1e-10, numItermax=5000)
    np.testing.assert_allclose(plan.numpy(), expected, atol=2e-6)


def test_images_far_apart_and_wide_have_a_plan():
    """The kernel between their corners is 0 in float64, so exponentials are added up one by one."""
    start, end = torch.zeros(3, 90, dtype=torch.float64), torch.zeros(3, 90, dtype=torch.float64)
    start[1, :3], end[:, 85:] = 1.0, 2.0
    sources, targets, moved = image_plan(start, end, 1.5)
    assert float(moved.sum()) == pytest.approx(1, abs=1e-12)
    assert float(moved @ (targets - sources)[:, 1]) == pytest.approx(87 - 1, abs=1e-9)
    assert bool((moved >= 0).all())


def test_one_pixel_goes_to_all_and_all_to_one():
    start, end = torch.zeros(4, 5, dtype=torch.float64), image(4, 5)
    start[2, 2] = 3.0
    sources, targets, moved = image_plan(start, end, 1.5)
    assert torch.equal(sources.unique(dim=0), torch.tensor([[2.0, 2.0]], dtype=torch.float64))
    torch.testing.assert_close(as_matrix(sources, targets, moved, 5).sum(), torch.tensor(1.0).double())
    back = image_plan(end, start, 1.5)
    torch.testing.assert_close(back[2].sum(), moved.sum())


def test_between_an_image_and_a_multiple_of_it_nothing_moves():
    start = image(5, 5)
    sources, targets, moved = image_plan(start, 2.5 * start, 1.5)
    assert torch.equal(sources, targets)
    torch.testing.assert_close(moved, start[start > 0] / start.sum())


def test_no_plan_says_so(monkeypatch):
    monkeypatch.setattr(plans, "STEPS", 2)
    with pytest.raises(ValueError, match="no plan between these images found in 2 steps: make them smaller"):
        image_plan(image(5, 5), image(5, 5, seed=1), 1.5)
