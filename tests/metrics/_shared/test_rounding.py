from __future__ import annotations

import numpy as np
import pytest
import torch

from latentbench import NotApplicableError
from latentbench_metrics._shared.rounding import attempt, coincide, resolution, rounding_of


@pytest.mark.parametrize("size", [1e-30, 0.3, 1.0, 1000.1, 1e30])
def test_the_step_is_that_of_the_number_format(size):
    numbers = torch.tensor([[size, -size / 3], [0.0, size]], dtype=torch.float32)
    steps = np.spacing(numbers.abs().amax(0).numpy())
    assert rounding_of(numbers).tolist() == pytest.approx(steps.tolist(), rel=1e-6)
    assert resolution(numbers) == pytest.approx(np.hypot(*steps.astype(float)), rel=1e-6)
    exact = numbers.double()
    assert rounding_of(exact).tolist() == pytest.approx(16 * np.spacing(exact.abs().amax(0).numpy()))


@pytest.mark.parametrize("size", [1e-30, 1.0, 1000.1, 1e6])
def test_one_step_is_no_difference_and_a_hundred_are(size):
    row = torch.full((1, 3), size, dtype=torch.float32)
    step = torch.nextafter(row, torch.full_like(row, torch.inf))
    assert coincide(torch.cat([row, step, row]))
    assert coincide(row.expand(4, -1))
    assert not coincide(torch.cat([row, row + 100 * (step - row)]))


def test_an_attempt_returns_the_reason():
    def refuse():
        raise NotApplicableError("no")

    assert attempt(lambda x: x + 1, 2) == 3
    assert str(attempt(refuse)) == "no"
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 / 0)
