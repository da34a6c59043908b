import torch
from scipy.optimize import rosen

from latentbench.latent.descent import minimize


def rosenbrock(rows, places):
    with torch.enable_grad():
        variable = places.detach().requires_grad_()
        values = (100 * (variable[:, 1:] - variable[:, :-1] ** 2) ** 2 + (1 - variable[:, :-1]) ** 2).sum(1)
        (slopes,) = torch.autograd.grad(values.sum(), variable)
    return values.detach(), slopes


def test_a_banana_valley_is_followed_to_its_end():
    starts = torch.tensor([[-1.2, 1.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    places = minimize(rosenbrock, starts, 200)
    torch.testing.assert_close(places, torch.ones(3, 2, dtype=torch.float64), rtol=0, atol=1e-2)
    assert all(rosen(place) < 1e-4 for place in places.numpy())


def test_nothing_gets_higher_than_it_was_and_no_iterations_change_nothing():
    starts = 3 * torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows, before = torch.arange(20), rosenbrock(None, starts)[0]
    for iterations in (0, 1, 5):
        places = minimize(rosenbrock, starts, iterations)
        assert (rosenbrock(rows, places)[0] <= before).all()
        assert torch.equal(places, starts) == (iterations == 0)


def test_functions_do_not_disturb_each_other():
    starts = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = minimize(rosenbrock, starts, 12)
    alone = torch.cat([minimize(rosenbrock, start[None], 12) for start in starts])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)
