from __future__ import annotations

import pytest
import torch

from latentbench.latent.transport.kernels import GridKernel


def dense(logs, rows, columns, reg):
    """The sum over all places, written out."""
    costs = rows[:, None, :, None] + columns[None, :, None, :]
    return (logs[:, :, None, None] - costs / reg).flatten(0, 1).logsumexp(0)


@pytest.mark.parametrize("reg", [0.5, 0.01])  # the second one's kernel has entries that are 0 in float64
def test_sums_over_a_grid_are_those_written_out(reg):
    generator = torch.Generator().manual_seed(0)
    rows = (torch.arange(3.0)[:, None] - torch.arange(4.0) - 1).double().square()
    columns = (torch.arange(5.0)[:, None] - torch.arange(2.0)).double().square()
    logs = 30 * torch.randn(3, 5, generator=generator, dtype=torch.float64)
    logs[1] = -torch.inf  # a row without mass
    kernel = GridKernel((rows, columns), reg)
    torch.testing.assert_close(kernel.summed(logs), dense(logs, rows, columns, reg))
    there = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(kernel.back(there), dense(there, rows.T, columns.T, reg))
    both = kernel.summed(torch.stack([logs, 2 * logs]))
    torch.testing.assert_close(both[0], kernel.summed(logs))


def test_a_kernel_within_a_grid_counts_pixels_in_a_unit():
    kernel = GridKernel.within(1, 3, 0.5, 2.0, torch.zeros(1, dtype=torch.float64))
    logs = torch.tensor([[0.0, -torch.inf, -torch.inf]], dtype=torch.float64)
    expected = -torch.tensor([[0.0, 0.25, 1.0]], dtype=torch.float64) / 2.0
    torch.testing.assert_close(kernel.summed(logs), expected)
