import numpy as np
import pytest
import torch

from latentbench_models.ae import AE
from latentbench_models.regularized.sparse_ae import SparseAE


def test_the_largest_numbers_are_kept_and_decoded(tried, parts):
    found = parts(tried(SparseAE, latent_dim=5, active=2))
    with torch.no_grad():
        whole = AE.encode(found.model, found.batch.inputs).double().numpy()
        expected = np.zeros_like(whole)
        for row, code in enumerate(whole):
            largest = np.argsort(code)[-2:]
            expected[row, largest] = code[largest]
        nll = -found.model.log_likelihood(found.batch.inputs, torch.from_numpy(expected).float())
    np.testing.assert_allclose(found.codes, expected, rtol=1e-6)
    assert found.terms["total"] == pytest.approx(nll.double().mean().item(), rel=1e-5)


@pytest.mark.parametrize("active", [3, 8])
def test_with_all_numbers_it_is_the_ae(tried, as_ae, active):
    own, other = as_ae(tried(SparseAE, active=active))
    assert torch.equal(own, other)
