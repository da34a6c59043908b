from __future__ import annotations

import pytest
import torch
from torch import nn

from latentbench.errors import NotApplicableError
from latentbench.latent.inversion import best_starts, fit_codes, squared_error


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_linear_decoder_is_inverted_by_least_squares():
    matrix, inputs = normal(12, 3), normal(5, 12, seed=1)
    expected = torch.linalg.lstsq(matrix, inputs.T).solution.T
    fitted = fit_codes(lambda z: z @ matrix.T, inputs, torch.zeros(5, 3), steps=400)
    torch.testing.assert_close(fitted, expected, atol=2e-3, rtol=0)


def test_the_penalty_is_that_of_ridge_regression():
    matrix, inputs = normal(12, 3), normal(5, 12, seed=1)
    expected = torch.linalg.solve(matrix.T @ matrix + 5 * torch.eye(3), matrix.T @ inputs.T).T
    fitted = fit_codes(
        lambda z: z @ matrix.T,
        inputs,
        torch.zeros(5, 3),
        steps=400,
        error=lambda decoded, known: (decoded - known).square().sum(1),
        penalty=lambda z: 5 * z.square().sum(1),
    )
    torch.testing.assert_close(fitted, expected, atol=2e-3, rtol=0)


def wells(codes):
    """Two outputs that a code near 2 makes 0, and one near -1 all but."""
    return torch.cat([(codes - 2) * (codes + 1), 0.3 * (codes - 2)], 1)


def test_of_all_starts_the_best_end_is_kept_for_each_input():
    inputs = torch.cat([wells(torch.tensor([[2.0]])), wells(torch.tensor([[-1.0]]))])
    starts = torch.tensor([[[-1.5], [-1.5]], [[2.5], [2.5]]])
    alone = [fit_codes(wells, inputs, start, steps=300) for start in starts]
    assert alone[0][0].item() < 0  # from the wrong side it stays in the wrong well
    assert alone[1][1].item() > 1
    fitted = fit_codes(wells, inputs, starts, steps=300)
    torch.testing.assert_close(fitted, torch.tensor([[2.0], [-1.0]]), atol=1e-2, rtol=0)
    assert torch.equal(fitted, torch.stack([alone[1][0], alone[0][1]]))


def test_a_start_that_leads_nowhere_is_not_kept():
    def decode(codes):
        return torch.where(codes > 5, torch.nan, codes)

    starts = torch.tensor([[[9.0]], [[0.5]]])
    assert fit_codes(decode, torch.ones(1, 1), starts).item() == pytest.approx(1, abs=0.02)


def test_no_input_has_an_influence_on_another():
    matrix, inputs, starts = normal(12, 3), normal(5, 12, seed=1), normal(2, 5, 3, seed=2)
    together = fit_codes(lambda z: (z @ matrix.T).tanh(), inputs, starts)
    alone = [fit_codes(lambda z: (z @ matrix.T).tanh(), inputs[i : i + 1], starts[:, i : i + 1]) for i in range(5)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)


def test_it_works_where_gradients_are_off_and_leaves_none_behind():
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 9))
    with torch.no_grad():
        inputs = net(normal(4, 2))
        fitted = fit_codes(net, inputs, torch.zeros(4, 2), steps=300)
        assert squared_error(net(fitted), inputs).max() < 1e-3
    assert not fitted.requires_grad
    assert all(weight.grad is None for weight in net.parameters())
    starts = torch.zeros(4, 2)
    again = fit_codes(net, inputs, starts, steps=300)
    assert torch.equal(again, fitted)
    assert not starts.any()


@pytest.mark.parametrize(("shape", "steps"), [((3, 2), 5), ((2, 3, 2), 5), ((4,), 5), ((0, 4, 2), 5), ((4, 2), 0)])
def test_starts_that_do_not_fit_say_so(shape, steps):
    with pytest.raises(
        ValueError, match=r"needs starts .* for 4 inputs and at least 1 step, got starts \("
    ) as raised:
        fit_codes(lambda z: z, torch.zeros(4, 2), torch.zeros(shape), steps=steps)
    assert str(raised.value).endswith(f"got starts {(1, *shape) if len(shape) == 2 else shape}, steps {steps}")


def test_the_best_candidates_are_those_that_decode_nearest():
    candidates, inputs = normal(7, 2), normal(5, 2, seed=1)
    order = torch.cdist(inputs, candidates).argsort(1)
    best = best_starts(lambda z: z, inputs, candidates, 3)
    assert torch.equal(best, candidates[order[:, :3].T])


@pytest.mark.parametrize("count", [0, 8])
def test_more_starts_than_candidates_say_so(count):
    with pytest.raises(ValueError, match=f"from 1 to the number of candidates, 7, got {count}"):
        best_starts(lambda z: z, torch.zeros(2, 2), normal(7, 2), count)


def test_a_decoder_without_gradients_or_of_another_shape_says_so():
    inputs, starts = torch.ones(2, 1), torch.zeros(2, 3)
    with pytest.raises(NotApplicableError, match="no decoder with gradients"):
        fit_codes(lambda codes: codes[:, :1].detach(), inputs, starts)
    with pytest.raises(ValueError, match=r"the shape of inputs, \(2, 1\), got \(2, 3\)"):
        fit_codes(lambda codes: codes, inputs, starts)
