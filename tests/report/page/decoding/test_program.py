import json

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from latentbench.errors import NotApplicableError
from latentbench.report.page.decoding.reading import decoded
from latentbench.report.page.decoding.recording import _Recorder, record
from latentbench.report.page.decoding.translation import program_of


class Wrapped(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


LIMITS = {"float16": 2e-3, "float32": 1e-5}


def test_numpy_computes_from_a_program_what_torch_computes(decoders, drawn_codes):
    for name, decode in decoders.items():
        program = program_of(record(decode, drawn_codes[:1]))
        with torch.no_grad():
            expected = decode(drawn_codes).numpy()
        assert expected.std(0).max() > 1e-3, name  # the picture changes with the code
        for precision, limit in LIMITS.items():
            stored = json.loads(json.dumps(program.data(precision)))
            np.testing.assert_allclose(decoded(stored, drawn_codes.numpy()), expected, atol=limit, err_msg=name)


def test_an_exported_decoder_holds_its_weights_and_little_else(decoders, drawn_codes):
    sizes = {}
    for name in ("ae on 28 x 28", "ae on digits", "deepsdf on 64 x 64"):
        program = program_of(record(decoders[name], drawn_codes[:1]))
        sizes[name] = len(json.dumps(program.data("float16")))
    assert sizes["ae on digits"] < 20_000
    assert sizes["ae on 28 x 28"] < 200_000
    assert sizes["deepsdf on 64 x 64"] < 300_000  # and not the 393,216 numbers that a layer makes of its points


def test_what_is_larger_than_what_it_is_made_from_stays_an_operation(decoders, drawn_codes):
    program = program_of(record(decoders["deepsdf on 64 x 64"], drawn_codes[:1]))
    assert max(array.size for array in program.constants) <= 96 * 96
    assert sum(operation.kind == "matmul" for operation in program.operations) == 8


@pytest.mark.parametrize(
    ("decode", "reason"),
    [
        (lambda codes: torch.erfinv(codes), "its decoder computes erfinv, which the page does not know"),
        (lambda codes: codes**3, "its decoder computes pow of 3, which the page does not know"),
        (lambda codes: torch.ones(1, 1, 2, 2), "its reconstructions are not made from the code by torch"),
        (lambda codes: torch.tensor(codes.numpy() * 2), "its reconstructions are not made from the code by torch"),
        (
            lambda codes: torch.conv1d(codes[:, None], torch.ones(1, 1, 2)),
            "its decoder computes convolution in 1 dimensions, which the page does not know",
        ),
        (
            lambda codes: torch.nn.functional.batch_norm(codes, None, None, training=True),
            "its decoder computes native_batch_norm over a batch; call .eval() on the network, which the page",
        ),
    ],
)
def test_what_the_page_cannot_compute_is_named(decode, reason):
    codes = torch.rand(2, 3)
    with pytest.raises(NotApplicableError, match=f"^{reason.replace('(', '.').replace(')', '.')}"):
        program_of(record(decode, codes))


def test_weights_that_16_bits_cannot_hold_are_refused():
    program = program_of(record(lambda codes: codes * torch.full((1, 2), 1e6), torch.ones(1, 2)))
    with pytest.raises(NotApplicableError, match="no finite numbers in float16"):
        program.data("float16")
    assert decoded(program.data("float32"), np.ones((1, 2)))[0, 0] == 1e6


def test_recording_needs_no_compiler():
    """torch wraps modes that it may have to keep its compiler out of, and then imports it, which takes seconds."""
    assert not hasattr(_Recorder.__torch_dispatch__, "__wrapped__")
    assert hasattr(Wrapped.__torch_dispatch__, "__wrapped__")
