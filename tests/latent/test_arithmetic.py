import pytest
import torch

from latentbench.latent.arithmetic import batches, exact_arithmetic, in_batches


def test_exact_arithmetic_has_no_gradients_tf32_or_autocast_and_restores_them():
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    matrix = torch.rand(4, 4, requires_grad=True)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with exact_arithmetic():
                assert not torch.backends.cuda.matmul.allow_tf32
                assert not torch.backends.cudnn.allow_tf32
                product = matrix @ matrix
            assert (matrix @ matrix).dtype == torch.bfloat16
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = flags
    assert (product.dtype, product.requires_grad) == (torch.float32, False)


def test_exact_arithmetic_restores_flags_after_an_error():
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with pytest.raises(ZeroDivisionError), exact_arithmetic():
        _ = 1 / 0
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == flags
    assert torch.is_grad_enabled()


def test_batches_hold_every_row_once():
    rows = torch.arange(300)
    assert [len(batch) for batch in batches(rows)] == [128, 128, 44]
    assert [len(batch) for batch in batches(rows, 200)] == [200, 100]
    assert torch.equal(torch.cat(list(batches(rows))), rows)


def test_a_function_in_batches_gives_the_rows_in_order_without_gradients():
    sizes = []
    rows = torch.rand(5, 3, requires_grad=True)
    doubled = in_batches(lambda batch: sizes.append(len(batch)) or 2 * batch, rows, 2)
    assert sizes == [2, 2, 1]
    assert torch.equal(doubled, 2 * rows)
    assert not doubled.requires_grad
