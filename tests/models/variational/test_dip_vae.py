import numpy as np
import pytest
import torch

from latentbench import Benchmark
from latentbench.planning.plan import make_plan
from latentbench.plugins import Plugins
from latentbench_models.variational.dip_vae import DIPVAE


@pytest.mark.parametrize("kind", ["I", "II"])
def test_its_loss_is_that_of_the_paper(tried, parts, as_vae, kind):
    shown = tried(DIPVAE, kind=kind, strength=3.0, diagonal=5.0)
    found = parts(shown)
    covariance = np.cov(found.mean.T, bias=True)
    if kind == "II":
        covariance = covariance + np.diag(found.variance.mean(0))
    off_diagonal = (covariance[~np.eye(3, dtype=bool)] ** 2).sum()
    diagonal = ((np.diag(covariance) - 1) ** 2).sum()
    assert found.terms["off_diagonal"] == pytest.approx(off_diagonal, rel=1e-5, abs=1e-9)
    assert found.terms["diagonal"] == pytest.approx(diagonal, rel=1e-5)
    _, vae = as_vae(shown)
    assert found.terms["total"] == pytest.approx(vae.item() + 3 * (off_diagonal + 5 * diagonal), rel=1e-5)


def test_without_strength_it_is_the_vae(tried, as_vae):
    own, other = as_vae(tried(DIPVAE, strength=0.0))
    assert torch.equal(own, other)


def test_both_kinds_stand_side_by_side_each_with_its_own_strengths():
    params = {"dip_vae.kind": ["I", "II"], "dip_vae.strength": [1.0, 10.0]}
    plan = make_plan(Benchmark(models=("dip_vae",), references=(), seeds=1, params=params), Plugins())
    traits = [(trial.traits.compared, trial.traits.varied) for trial in plan.trials]
    assert traits == [({"kind": kind}, {"strength": strength}) for kind in ("I", "II") for strength in (1.0, 10.0)]
