"""Convolutions by another way give torch's numbers, and leave to torch what they do not cover."""

import itertools
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, vmap
from torch.nn import functional

from latentbench import DataSpec, GradientModel, LatentSpace, Model, Split, run
from latentbench.convolutions import cpu, layouts, matmul, stacked
from latentbench.convolutions.choice import convolutions_for_codes
from latentbench.convolutions.cpu import FastConvolutions
from latentbench.convolutions.matmul import MatmulConvolutions
from latentbench.convolutions.stacked import StackedLayers
from latentbench.errors import RequestError
from latentbench.plugins import Plugins
from latentbench.table.build import comparison_table
from latentbench.table.render import render
from latentbench.training import trainer
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model

SIZES = [(7, 8), (8, 9), (11, 6)]
KERNELS = [(1, 1), (3, 3), (4, 4), (3, 5), (2, 3)]
STEPS = [(1, 1), (2, 2), (3, 1)]
PADDINGS = [(0, 0), (1, 1), (0, 1)]
CHANNELS = [(1, 1), (3, 5)]
TRANSPOSED = [False, True]


def make(
    size, kernel, stride, padding, channels, transposed, output_padding=(0, 0), bias=True, dtype=torch.float64
):
    """Return a convolution and its arguments."""
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    few, many = channels
    arguments = [draw(2, few, *size), draw(*((few, many) if transposed else (many, few)), *kernel), draw(many)]
    arguments = [argument.to(dtype).requires_grad_() for argument in arguments]
    options = {"stride": stride, "padding": padding}
    if transposed:
        options["output_padding"] = output_padding
    convolve = functional.conv_transpose2d if transposed else functional.conv2d
    return partial(convolve, **options), arguments


def cases():
    """Every combination that torch takes, as arguments of `make`."""
    for case in itertools.product(SIZES, KERNELS, STEPS, PADDINGS, CHANNELS, TRANSPOSED):
        _, kernel, stride, padding, _, transposed = case
        if all(k > p for k, p in zip(kernel, padding, strict=True)):
            yield case
            if transposed and stride == (2, 2):
                yield (*case, (1, 0))


def direction(result):
    """Return some gradient of a result."""
    return torch.arange(result.numel(), dtype=torch.float64).sin().reshape(result.shape).to(result.dtype)


def gradients(convolve, arguments):
    """Return the result and the gradients of all arguments."""
    result = convolve(*arguments)
    slopes = torch.autograd.grad(result, arguments, direction(result))
    return [value.detach() for value in (result, *slopes)]


def counted(monkeypatch, function):
    """Count the calls of an autograd function."""
    calls, module = [], {"_FastConvolution": cpu, "_Matmul": matmul, "_Products": stacked}[function]
    plain = getattr(module, function).apply
    monkeypatch.setattr(getattr(module, function), "apply", lambda *a: calls.append(1) or plain(*a))
    return calls


def assert_equal(actual, expected):
    for value, reference in zip(actual, expected, strict=True):
        assert value.shape == reference.shape
        torch.testing.assert_close(value, reference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_matrix_products_are_the_convolution_and_its_gradients(monkeypatch, transposed):
    calls, count = counted(monkeypatch, "_Matmul"), 0
    for case in (case for case in cases() if case[5] is transposed):
        convolve, arguments = make(*case)
        expected = gradients(convolve, arguments)
        with MatmulConvolutions():
            assert_equal(gradients(convolve, arguments), expected)
        count += 1
    assert len(calls) >= count > 200


@pytest.fixture(params=[None, 7])
def rows_at_once(request, monkeypatch):
    """Products as on a CPU, or as on a GPU: padded to columns of eight, long ones in pieces of a few rows."""
    if request.param:
        monkeypatch.setattr(matmul, "_on_gpu", lambda tensor: True)
        monkeypatch.setattr(matmul, "LONGEST", request.param)
    return request.param


@pytest.mark.parametrize("rows", [1, 6, 30, 31, 70])
def test_products_of_a_gpu_are_the_products(rows_at_once, rows):
    left, right = torch.randn(rows, 5, dtype=torch.float64), torch.randn(rows, 3, dtype=torch.float64)
    torch.testing.assert_close(matmul._long_product(left, right), left.T @ right)
    torch.testing.assert_close(matmul._product(left.T, right), left.T @ right)


@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_matrix_products_under_vmap_over_stacked_weights(rows_at_once, transposed):
    every = 7 if rows_at_once is None else 21
    for case in itertools.islice((case for case in cases() if case[5] is transposed), 0, None, every):
        convolve, arguments = make(*case)
        stacks = [torch.stack([value, value.flip(0), 2 * value]).detach() for value in arguments]
        expected = [gradients(convolve, [value[i].requires_grad_() for value in stacks]) for i in range(3)]

        def all_of(*values, convolve=convolve):
            result, pull = torch.func.vjp(convolve, *values)
            return result, *pull(direction(result))

        with MatmulConvolutions():
            actual = vmap(all_of)(*stacks)
        for member, reference in enumerate(expected):
            assert_equal([value[member] for value in actual], reference)


def stacks_of(case):
    """Return a convolution, the arguments of three members as stacks, and those of each member."""
    convolve, arguments = make(*case)
    stacks = [torch.stack([value, value.flip(0), 2 * value]).detach().requires_grad_() for value in arguments]
    return convolve, stacks, [[value[i].detach().requires_grad_() for value in stacks] for i in range(3)]


@pytest.fixture(params=[layouts.Windows, layouts.WholeImages], ids=["windows", "whole images"])
def layout(request, monkeypatch):
    """How stacked images are laid out, whatever would take less time."""
    monkeypatch.setattr(stacked, "layout_of", request.param)
    return request.param


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_stacks_on_a_cpu_are_the_convolutions_of_their_members(monkeypatch, transposed):
    calls, count = counted(monkeypatch, "_Products"), 0
    for case in itertools.islice((case for case in cases() if case[5] is transposed), 0, None, 5):
        convolve, stacks, members = stacks_of(case)
        expected = [gradients(convolve, arguments) for arguments in members]
        with StackedLayers():
            result = vmap(convolve)(*stacks)
        way = torch.stack([direction(reference[0]) for reference in expected])
        actual = [result, *torch.autograd.grad(result, stacks, way)]
        for member, reference in enumerate(expected):
            assert_equal([value[member] for value in actual], reference)
        count += 1
    assert len(calls) == count > 40


@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_where_torch_is_not_as_it_was_inside_a_stack_is_as_right(monkeypatch, transposed):
    monkeypatch.setattr(stacked, "IS_OPEN", False)
    calls = counted(monkeypatch, "_Products")
    convolve, stacks, members = stacks_of(((7, 8), (4, 4), (2, 2), (1, 1), (3, 5), transposed))
    with StackedLayers():
        result = vmap(convolve)(*stacks)
    for member, arguments in enumerate(members):
        assert_equal([result[member]], [convolve(*arguments)])
    assert not calls


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_stacks_on_a_cpu_can_be_differentiated_twice(transposed):
    for case in itertools.islice((case for case in cases() if case[5] is transposed), 0, None, 29):
        convolve, stacks, members = stacks_of(case)
        expected = [penalty(convolve, arguments) for arguments in members]
        with StackedLayers():
            actual = penalty(vmap(convolve), stacks)
        for member, reference in enumerate(expected):
            assert_equal([value[member] for value in actual], reference)


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("shared", [0, 1, 2])
@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_members_of_a_stack_may_share_an_argument(shared, transposed):
    convolve, stacks, members = stacks_of(((7, 8), (4, 4), (2, 2), (1, 1), (3, 5), transposed))
    dims = tuple(None if place == shared else 0 for place in range(3))
    mixed = [value[0] if place == shared else value for place, value in enumerate(stacks)]
    with StackedLayers():
        actual = vmap(convolve, in_dims=dims)(*mixed)
    for member, arguments in enumerate(members):
        arguments[shared] = members[0][shared]
        assert_equal([actual[member]], [convolve(*arguments)])


@pytest.mark.parametrize("shared", [None, 0, 1, 2])
def test_dense_layers_of_a_stack_are_those_of_their_members(monkeypatch, shared):
    layers, for_all = [], stacked._for_all
    monkeypatch.setattr(stacked, "_for_all", lambda *call: layers.append(call[0]) or for_all(*call))
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    arguments = [
        draw(3, *size)[0 if place == shared else ...] for place, size in enumerate([(4, 5), (6, 5), (6,)])
    ]
    arguments = [value.requires_grad_() for value in arguments]
    dims = tuple(None if place == shared else 0 for place in range(3))
    expected = gradients(vmap(functional.linear, in_dims=dims), arguments)
    with StackedLayers():
        actual = gradients(vmap(functional.linear, in_dims=dims), arguments)
    assert layers == ([] if shared == 1 else [stacked._rows_times_matrices])
    assert_equal(actual, expected)


def test_a_dense_layer_of_a_stack_keeps_the_precision_of_autocast():
    rows, weights, biases = torch.randn(3, 4, 5), torch.randn(3, 6, 5), torch.randn(3, 6)
    with torch.autocast("cpu", torch.bfloat16), StackedLayers():
        actual = vmap(functional.linear)(rows, weights, biases)
        expected = [functional.linear(*member) for member in zip(rows, weights, biases, strict=True)]
    assert actual.dtype is torch.bfloat16
    assert (actual - torch.stack(expected)).abs().max() < 0.05


@pytest.mark.parametrize("call", [{"input": torch.ones(3, 2, 4, 5)}, {"bias": None}], ids=["axes", "no bias"])
def test_dense_layers_of_another_kind_are_left_to_torch(call):
    arguments = {"input": torch.ones(3, 4, 5), "weight": torch.ones(3, 6, 5), "bias": torch.ones(3, 6)} | call
    dims = tuple(None if value is None else 0 for value in arguments.values())
    with StackedLayers():
        result = vmap(functional.linear, in_dims=dims)(*arguments.values())
    assert torch.equal(result, torch.full_like(result, 5.0 if arguments["bias"] is None else 6.0))


def penalty(convolve, arguments):
    """Return gradients of a gradient's square: what a gradient penalty is trained by."""
    image, *weights = arguments
    result = (0.1 * convolve(image, *weights)).sin().sum()
    (slope,) = torch.autograd.grad(result, image, create_graph=True)
    return torch.autograd.grad(slope.square().sum(), [image, *weights])


@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_matrix_products_can_be_differentiated_twice(transposed):
    for case in itertools.islice((case for case in cases() if case[5] is transposed), 0, None, 7):
        convolve, arguments = make(*case)
        expected = penalty(convolve, arguments)
        with MatmulConvolutions():
            assert_equal(penalty(convolve, arguments), expected)


def half_precision(convolve, arguments):
    """Return result and gradients as autocast to bfloat16 gives them."""
    single = [value.detach().float().requires_grad_() for value in arguments]
    with torch.autocast("cpu", torch.bfloat16):
        result = convolve(*single)
    assert result.dtype == torch.bfloat16
    return [value.detach() for value in (result, *torch.autograd.grad(result, single, direction(result)))]


def error(actual, exact):
    return float((actual.double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("smallest", [1, 10**6], ids=["always", "never"])
@pytest.mark.parametrize("mode", [FastConvolutions, MatmulConvolutions])
def test_errors_of_bfloat16_are_those_of_torch(monkeypatch, mode, smallest):
    monkeypatch.setattr(cpu, "SMALLEST_WINDOW", smallest)
    compared, every = 0, list(itertools.islice(cases(), 0, None, 2))
    for case in every:
        convolve, arguments = make(*case)
        exact = gradients(convolve, arguments)
        usual = half_precision(convolve, arguments)
        if not error(usual[0], exact[0]) < 0.05:
            continue  # torch 2.15 with AMX: plainly wrong for a kernel of 3 x 5 in steps of 2 over 11 x 6 pixels
        with mode():
            actual = half_precision(convolve, arguments)
        for value, reference, true in zip(actual, usual, exact, strict=True):
            assert value.shape == reference.shape
            assert value.dtype == reference.dtype
            assert error(value, true) <= 2 * error(reference, true) + 2e-3, case
        compared += 1
    assert compared >= 0.9 * len(every)


@pytest.mark.parametrize("size", [(8, 9), (12, 13)], ids=["windows", "torch's own"])
@pytest.mark.parametrize("transposed", TRANSPOSED)
def test_fast_gradients_can_be_differentiated_twice(transposed, size):
    convolve, arguments = make(size, (4, 4), (2, 2), (1, 1), (4, 5), transposed)
    exact = penalty(convolve, arguments)
    single = [value.detach().float().requires_grad_() for value in arguments]
    with torch.autocast("cpu", torch.bfloat16):
        usual = penalty(convolve, single)
        with FastConvolutions():
            actual = penalty(convolve, single)
    for value, reference, true in zip(actual, usual, exact, strict=True):
        assert error(value, true) <= 2 * error(reference, true) + 2e-3


@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize("transposed", TRANSPOSED)
@pytest.mark.parametrize(("size", "small"), [((10, 10), True), ((12, 10), False)])
def test_without_tiles_windows_are_laid_out_for_small_images_alone(monkeypatch, size, small, transposed, tiles):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": tiles})
    laid_out, plain = [], cpu._windows
    monkeypatch.setattr(cpu, "_windows", lambda *a: laid_out.append(1) or plain(*a))
    coarse = tuple(side // 2 for side in size)
    convolve, arguments = make(coarse if transposed else size, (4, 4), (2, 2), (1, 1), (4, 5), transposed)
    exact, usual = gradients(convolve, arguments), half_precision(convolve, arguments)
    with FastConvolutions():
        actual = half_precision(convolve, arguments)
    assert bool(laid_out) is (tiles or small)
    for value, reference, true in zip(actual, usual, exact, strict=True):
        assert error(value, true) <= 2 * error(reference, true) + 2e-3


def test_fast_gradients_leave_float32_alone(monkeypatch):
    calls = counted(monkeypatch, "_FastConvolution")
    convolve, arguments = make((8, 9), (4, 4), (2, 2), (1, 1), (4, 5), False, dtype=torch.float32)
    expected = gradients(convolve, arguments)
    with FastConvolutions():
        actual = gradients(convolve, arguments)
    assert all(map(torch.equal, actual, expected))
    assert not calls
    with FastConvolutions(), torch.autocast("cpu", torch.float16):
        convolve(*arguments)
    assert not calls
    with FastConvolutions(), torch.autocast("cpu", torch.bfloat16):
        convolve(*arguments)
    assert len(calls) == 1


@pytest.mark.parametrize(("channels", "transposed"), [((1, 1), False), ((1, 5), False), ((3, 1), True)])
def test_images_of_one_channel_are_convolved_exactly(monkeypatch, channels, transposed):
    calls, count = counted(monkeypatch, "_FastConvolution"), 0
    for size, kernel, stride, padding, usual, way, *rest in cases():
        if way is not transposed or usual != CHANNELS[0]:
            continue
        convolve, arguments = make(size, kernel, stride, padding, channels, transposed, *rest)
        expected, twice = gradients(convolve, arguments), penalty(convolve, arguments)
        (slope,) = torch.autograd.grad(convolve(*arguments).sin().sum(), arguments[0])
        with FastConvolutions():
            assert_equal(gradients(convolve, arguments), expected)
            assert_equal(penalty(convolve, arguments), twice)
            alone = convolve(arguments[0], *(value.detach() for value in arguments[1:]))
            assert_equal(torch.autograd.grad(alone.sin().sum(), arguments[0]), [slope])
            with torch.no_grad():
                assert_equal([convolve(*arguments)], expected[:1])
        count += kernel[0] * kernel[1] <= cpu.MOST_COPIES * stride[0] * stride[1]
    assert len(calls) == 4 * count > 200


def doubling(size=(5, 7), channels=(6, 3)):
    return make(size, (4, 4), (2, 2), (1, 1), channels, True)


@pytest.mark.parametrize("channels", [(1, 1), (6, 3), (2, 4)])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7)])
def test_images_are_doubled_exactly(monkeypatch, size, channels):
    calls = counted(monkeypatch, "_FastConvolution")
    convolve, arguments = doubling(size, channels)
    expected, twice = gradients(convolve, arguments), penalty(convolve, arguments)
    with FastConvolutions():
        assert_equal(gradients(convolve, arguments), expected)
        assert_equal(penalty(convolve, arguments), twice)
    assert len(calls) == 2


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_images_are_doubled_under_transforms():
    convolve, arguments = doubling()
    stacks = tuple(torch.stack([value, 2 * value]).detach() for value in arguments)
    plain = tuple(value.detach() for value in arguments)
    ways = tuple(torch.ones_like(value) for value in plain)

    def transforms():
        slopes = grad(lambda *values: convolve(*values).square().sum(), argnums=(0, 1, 2))(*plain)
        return [vmap(convolve)(*stacks), *jvp(convolve, plain, ways), *slopes]

    expected = transforms()
    with FastConvolutions():
        assert_equal(transforms(), expected)


LEFT = {
    "groups": lambda x: functional.conv2d(x, torch.ones(4, 2, 3, 3), groups=2),
    "dilation": lambda x: functional.conv2d(x, torch.ones(4, 4, 3, 3), dilation=2),
    "dilation of one side": lambda x: functional.conv2d(x, torch.ones(4, 4, 3, 3), None, 1, 0, (1, 2)),
    "same": lambda x: functional.conv2d(x, torch.ones(4, 4, 3, 3), padding="same"),
    "valid": lambda x: functional.conv2d(x, torch.ones(4, 4, 3, 3), padding="valid"),
    "unbatched": lambda x: functional.conv2d(x[0], torch.ones(4, 4, 3, 3)),
    "one dimension": lambda x: functional.conv1d(x[..., 0], torch.ones(4, 4, 3)),
    "three dimensions": lambda x: functional.conv3d(x[:, :, None], torch.ones(4, 4, 1, 3, 3)),
    "transposed groups": lambda x: functional.conv_transpose2d(x, torch.ones(4, 2, 3, 3), groups=2),
    "transposed dilation": lambda x: functional.conv_transpose2d(x, torch.ones(4, 2, 3, 3), dilation=2),
    "transposed unbatched": lambda x: functional.conv_transpose2d(x[0], torch.ones(4, 2, 3, 3)),
    "no convolution": lambda x: x.mean() + torch.relu(x).sum(),
}


@pytest.mark.parametrize("case", LEFT)
@pytest.mark.parametrize("mode", [FastConvolutions, MatmulConvolutions])
def test_what_is_not_covered_is_left_to_torch(monkeypatch, mode, case):
    calls = counted(monkeypatch, "_FastConvolution") + counted(monkeypatch, "_Matmul")
    image = torch.randn(2, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        expected = LEFT[case](image)
        with mode():
            actual = LEFT[case](image)
    assert torch.equal(actual, expected)
    assert not calls


CALLS = {
    "plain": lambda x, w, b: functional.conv2d(x, w, b),
    "no bias": lambda x, w, b: torch.conv2d(x, w),
    "numbers": lambda x, w, b: torch.conv2d(x, w, b, 2, 1),
    "lists": lambda x, w, b: functional.conv2d(x, w, bias=b, stride=[2], padding=[1, 0]),
    "names": lambda x, w, b: functional.conv2d(input=x, weight=w, bias=b, stride=(2, 1), dilation=1, groups=1),
    "transposed": lambda x, w, b: functional.conv_transpose2d(x, w, b, 2, 1, 1, 1, 1),
    "transposed, no bias": lambda x, w, b: torch.conv_transpose2d(x, w, stride=2),
    "transposed names": lambda x, w, b: functional.conv_transpose2d(weight=w, input=x, output_padding=1, stride=2),
    "channels last": lambda x, w, b: functional.conv2d(
        *(value.contiguous(memory_format=torch.channels_last) for value in (x, w)), b
    ),
    "not contiguous": lambda x, w, b: functional.conv2d(x.transpose(2, 3), w.transpose(2, 3), b),
}


@pytest.mark.parametrize("case", CALLS)
def test_all_ways_to_call_them(monkeypatch, case):
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 8, 8, 9), (8, 8, 3, 3), (8,)
    image, weight, bias = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    expected = CALLS[case](image, weight, bias)
    calls = counted(monkeypatch, "_Matmul"), counted(monkeypatch, "_FastConvolution")
    with MatmulConvolutions():
        assert_equal([CALLS[case](image, weight, bias)], [expected])
    with FastConvolutions(), torch.autocast("cpu", torch.bfloat16):
        actual = CALLS[case](*(value.float() for value in (image, weight, bias)))
    torch.testing.assert_close(actual.double(), expected, rtol=0.05, atol=0.1)
    assert tuple(map(len, calls)) == (1, 1)


class Networks(nn.Module):
    """Convolutions of every kind, as modules."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding="same", bias=False),
            nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"),
            nn.Conv2d(8, 8, 3, groups=2, dilation=2, padding=2),
            nn.Tanh(),
            nn.ConvTranspose2d(8, 3, (4, 3), stride=2, padding=1, output_padding=(0, 1)),
        )

    def forward(self, image):
        return self.net(image)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Networks().double(), torch.randn(2, 3, 8, 8, dtype=torch.float64)


def test_modules_are_reached(monkeypatch, network):
    model, image = network
    calls = counted(monkeypatch, "_Matmul")
    expected = torch.autograd.grad(model(image).square().sum(), list(model.parameters()))
    with MatmulConvolutions():
        actual = torch.autograd.grad(model(image).square().sum(), list(model.parameters()))
    assert len(calls) > 3
    assert_equal(actual, expected)


def test_transforms_of_torch_func_work_inside(network):
    model, image = network
    state = dict(model.named_parameters())

    def loss(state, image):
        return functional_call(model, state, (image,)).square().sum()

    def transforms():
        state_slopes = grad(loss)(state, image)
        alone = vmap(lambda row: loss(state, row[None]))(image)
        return [*state_slopes.values(), alone, jacrev(lambda row: loss(state, row))(image)]

    expected = transforms()
    with MatmulConvolutions():
        assert_equal(transforms(), expected)
    with FastConvolutions():
        assert_equal(transforms(), expected)
    with StackedLayers():
        assert_equal(transforms(), expected)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, when it first does this
@pytest.mark.parametrize("mode", [FastConvolutions, MatmulConvolutions, StackedLayers])
def test_forward_derivatives_work_inside(network, mode):
    model, image = network
    way = torch.ones_like(image)
    expected = jvp(model, (image,), (way,))
    with mode():
        assert_equal(jvp(model, (image,), (way,)), expected)


class Smooth(GradientModel):
    """A convolutional autoencoder whose loss takes a forward derivative of its decoder."""

    class Params(Model.Params):
        latent_dim: int = 2

    def __init__(self, params, data):
        super().__init__(params, data)
        self.first = nn.Conv2d(1, 8, 4, stride=2, padding=1)
        self.last = nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1)

    def loss(self, batch, noise):
        hidden = self.first(batch.inputs)
        result, slope = jvp(self.last, (hidden,), (torch.ones_like(hidden),))
        return {"total": (result - batch.inputs).square().mean() + 0.01 * slope.square().mean()}

    def encode(self, inputs):
        return self.first(inputs).flatten(1)[:, :2]


@pytest.fixture
def images():
    return Split(np.random.default_rng(0).integers(0, 256, (20, 1, 16, 16), dtype=np.uint8))


def trained(images, model, **budget):
    torch.manual_seed(0)
    network = model(model.Params(), DataSpec.of(images))
    history = train_model(network, images, Budget(epochs=2, batch_size=8, **budget), 0)
    return history, network.state_dict()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_loss_with_a_forward_derivative_is_trained(monkeypatch, images):
    calls = counted(monkeypatch, "_FastConvolution")
    history, _ = trained(images, Smooth, precision="bfloat16")
    assert len(calls) == 2 * 3  # the encoder's alone, once a step
    expected, _ = trained(images, Smooth)
    assert history[-1]["total"] == pytest.approx(expected[-1]["total"], rel=0.02)


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_training_in_bfloat16_on_a_cpu_uses_fast_gradients(monkeypatch, images, name):
    calls = counted(monkeypatch, "_FastConvolution")
    model = Plugins().load("model", name)
    single, _ = trained(images, model)
    assert len(calls) == 2 * 3 * 2  # epochs, steps: the first and the last layer, with one channel
    calls.clear()
    half, _ = trained(images, model, precision="bfloat16")
    assert len(calls) == 2 * 3 * 4  # all layers
    assert half[-1]["total"] == pytest.approx(single[-1]["total"], rel=0.02)
    assert half != single


def test_fast_gradients_train_to_what_torch_trains_to(monkeypatch, images):
    model = Plugins().load("model", "ae")
    calls = counted(monkeypatch, "_FastConvolution")
    fast, _ = trained(images, model, precision="bfloat16")
    assert calls
    calls.clear()
    monkeypatch.setattr(trainer, "FastConvolutions", nullcontext)
    plain, _ = trained(images, model, precision="bfloat16")
    assert fast[-1]["total"] == pytest.approx(plain[-1]["total"], rel=1e-2)
    assert not calls  # the bits may still be equal: that is for the processor to say


# torch's own convolutions on request


@pytest.fixture
def only_torch(monkeypatch):
    """A process whose user asks for torch's own convolutions."""
    monkeypatch.setenv("LATENTBENCH_CONVOLUTIONS", "torch")


def test_training_leaves_convolutions_to_torch_on_request(monkeypatch, images, only_torch):
    calls = counted(monkeypatch, "_FastConvolution")
    trained(images, Plugins().load("model", "ae"), precision="bfloat16")
    assert not calls


@pytest.mark.parametrize(("stacked", "usual"), [(False, FastConvolutions), (True, StackedLayers)])
def test_groups_leave_convolutions_to_torch_on_request(monkeypatch, stacked, usual):
    assert trainer._convolutions(True, stacked, torch.device("cpu")) is usual
    monkeypatch.setenv("LATENTBENCH_CONVOLUTIONS", "torch")
    assert trainer._convolutions(True, stacked, torch.device("cpu")) is nullcontext


@pytest.mark.parametrize(("backbone", "looks"), [("mlp", False), ("conv", True)])
def test_training_looks_for_convolutions_where_there_can_be_some(monkeypatch, images, backbone, looks):
    seen = []
    monkeypatch.setattr(FastConvolutions, "__enter__", lambda mode: seen.append(mode))
    monkeypatch.setattr(FastConvolutions, "__exit__", lambda *_: None)
    model = Plugins().load("model", "ae")
    network = model(model.Params(backbone=backbone), DataSpec.of(images))
    train_model(network, images, Budget(epochs=1, batch_size=8), 0)
    assert bool(seen) is looks


@pytest.mark.parametrize("value", [None, "fast", "torch"])
def test_encoding_leaves_convolutions_to_torch_on_request(monkeypatch, images, value):
    torch.manual_seed(0)
    cls = Plugins().load("model", "ae")
    space = LatentSpace.of_model(cls(cls.Params(), DataSpec.of(images)), images)
    if value is not None:
        monkeypatch.setenv("LATENTBENCH_CONVOLUTIONS", value)
    calls = counted(monkeypatch, "_FastConvolution")
    assert torch.isfinite(space.codes).all()
    assert bool(calls) is (value != "torch")


def test_an_unknown_kind_of_convolutions_is_refused_before_anything_is_trained(monkeypatch, tiny, tmp_path):
    monkeypatch.setenv("LATENTBENCH_CONVOLUTIONS", "slow")
    with pytest.raises(RequestError, match=r"^LATENTBENCH_CONVOLUTIONS must be fast or torch, got 'slow'$"):
        run(tiny(), tmp_path, workers=0)
    assert not list(tmp_path.glob("trials/*"))


def test_trials_of_both_kinds_of_convolutions_are_of_mixed_environments(monkeypatch, tiny, tmp_path):
    usual = run(tiny(), tmp_path, workers=0)
    (trial,) = usual.trials
    assert "convolutions" not in trial.outcome.environment  # as in records made before there was a choice
    monkeypatch.setenv("LATENTBENCH_CONVOLUTIONS", "torch")
    mixed = run(tiny(seeds=2), tmp_path, workers=0)
    recorded = [trial.outcome.environment.get("convolutions", "fast") for trial in mixed.trials]
    assert recorded == ["fast", "torch"]
    assert mixed.scores["environment"].nunique() == 2
    assert "environments" in render(comparison_table(mixed), "text")
    assert "environments" not in render(comparison_table(run(tiny(), tmp_path, workers=0)), "text")


def test_contexts_within_each_other_look_at_an_operation_once(monkeypatch):
    seen, look = [], FastConvolutions.__torch_function__

    def watched(self, func, *arguments, **options):
        seen.append(func)
        return look(self, func, *arguments, **options)

    monkeypatch.setattr(FastConvolutions, "__torch_function__", watched)
    for _ in range(2):
        with convolutions_for_codes(), convolutions_for_codes():
            torch.ones(1).add(1)
    assert seen.count(torch.Tensor.add) == 2
