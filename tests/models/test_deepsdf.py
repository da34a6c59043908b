import time

import numpy as np
import pytest
import torch

from latentbench import Batch, DataSpec, LatentSpace, NotApplicableError, Split, score
from latentbench.latent.meshes import decoded_meshes, surface
from latentbench.training.budget import Budget
from latentbench.training.engine import train_model
from latentbench_datasets.furniture import Furniture
from latentbench_metrics.iou import iou_per_shape
from latentbench_models.deepsdf import CODE_PACE, DeepSDF

PLANE = (1, 16, 16)


def disks(count, seed, size=16, dims=2):
    """Distances from circles or spheres whose place along x and radius vary, as furniture lays grids out."""
    rng = np.random.default_rng(seed)
    x, radius = (rng.uniform(*ends, (count, *(1,) * dims)) for ends in ((-0.3, 0.3), (0.25, 0.6)))
    along = (2 * np.arange(size) + 1) / size - 1
    places = np.meshgrid(*[along] * dims, indexing="ij")
    far = np.sqrt((places[-1] - x) ** 2 + sum(place**2 for place in places[:-1]))
    return Split((far - radius)[:, None].astype(np.float32))


def make(shape=PLANE, rows=8, **params):
    torch.manual_seed(0)
    small = {"latent_dim": 3, "width": 16, "points": 32}
    return DeepSDF(DeepSDF.Params(**{**small, **params}), DataSpec(shape, "float32", rows))


def learn(split, epochs=40, **params):
    torch.manual_seed(0)
    small = {"latent_dim": 2, "width": 24, "points": 48, "fit_points": 64}
    model = DeepSDF(DeepSDF.Params(**{**small, **params}), DataSpec.of(split))
    return model, train_model(model, split, Budget(epochs=epochs, batch_size=8, learning_rate=3e-3), 0)


@pytest.fixture(scope="module")
def learned():
    """A model after training, its losses, and test shapes seen through it."""
    train, test = disks(96, 0), disks(30, 1)
    model, history = learn(train)
    return model, history, LatentSpace.of_model(model, test, train)


# learning


def test_learning_reaches_shapes_that_were_not_seen(learned):
    _, history, space = learned
    assert history[-1]["distortion"] < 0.25 * history[0]["distortion"]
    assert iou_per_shape(space.inputs, space.reconstructions).mean() > 0.93


def test_learning_reaches_bodies():
    train, test = disks(60, 0, 12, 3), disks(8, 1, 12, 3)
    model, _ = learn(train, 30)
    space = LatentSpace.of_model(model, test)
    assert space.reconstructions.shape == (8, 1, 12, 12, 12)
    assert iou_per_shape(space.inputs, space.reconstructions).mean() > 0.85
    (mesh,), true = decoded_meshes(model.decode, space.codes[:1]), surface(test.inputs[0, 0])
    for ends in (np.min, np.max):
        np.testing.assert_allclose(ends(mesh.vertices, axis=0), ends(true.vertices, axis=0), atol=0.1)


def test_codes_come_from_the_shape_and_not_from_the_table(learned):
    """A shape has the same code wherever it stands, and another table with the same spread changes no code."""
    model, _, space = learned
    order = torch.arange(29, -1, -1)
    torch.testing.assert_close(space.encode(space.inputs[order]), space.codes[order], atol=1e-2, rtol=0)
    state = model.get_state()
    mixed, _ = learn(disks(96, 0), epochs=1)
    mixed.set_state(state | {"code_table.weight": state["code_table.weight"][::-1]})
    with torch.no_grad():
        torch.testing.assert_close(mixed.encode(space.inputs[:5]), space.codes[:5], atol=1e-2, rtol=0)


def test_a_fitted_code_is_near_the_learned_one_of_its_shape(learned):
    model, _, space = learned
    table = CODE_PACE * model.code_table.weight.detach()
    nearest = torch.cdist(space.train.codes[:60], table).argsort(1)[:, :8]
    assert (nearest == torch.arange(60)[:, None]).any(1).float().mean() > 0.8


def test_there_is_no_prior_and_codes_are_optimized(learned):
    _, _, space = learned
    assert DeepSDF.encoder == "optimized"
    assert {"prior", "posterior"}.isdisjoint(space.supplies)
    assert {"encoder", "decoder_gradient"} <= space.supplies


@pytest.mark.slow
def test_furniture_is_rebuilt_and_told_apart():
    """The targets, at the size that reaches them: 2-D, codes of 8 numbers, about 30,000 weights, one thread."""
    splits = Furniture(Furniture.Params()).splits()
    torch.manual_seed(0)
    model = DeepSDF(DeepSDF.Params(latent_dim=8), DataSpec.of(splits.train))
    assert 25_000 < sum(weight.numel() for weight in model.decoder_net.parameters()) < 35_000
    train_model(model, splits.train, Budget(epochs=40, batch_size=16), 0)
    space = LatentSpace.of_model(model, splits.test, splits.train)
    started = time.process_time()
    assert len(space.codes) == 500
    assert (time.process_time() - started) / 500 < 0.2
    actual = {row.score: row.value for row in score(space, ["iou", "knn"]).itertuples()}
    assert actual["iou"] > 0.9
    assert actual["knn1"] > 0.97


# the loss


def test_the_loss_is_the_paper_s():
    """With one known point for each shape: clamped difference, and the squared norm of the code."""
    model = make(rows=4, points=1, clamp=0.2, code_penalty=0.5)
    inputs = torch.tensor([0.05, -3.0, 0.1])[:, None, None, None].expand(3, *PLANE).clone()
    rows = torch.tensor([3, 0, 1])
    batch = Batch(inputs, rows, None, None, torch.tensor(0.0))
    half = torch.full((3, 1), 0.502)
    with torch.no_grad():
        terms = model.loss(batch, {"points": half})
        codes = CODE_PACE * model.code_table.weight[rows]
        where = model.grid[[128]].expand(
            3, 1, 2
        )  # all points of a flat shape are as likely: half way is the middle
        made = model.decoder_net(codes, where)[:, 0].clamp(-0.2, 0.2)
    assert made.abs().max() < 0.2
    expected = (made - torch.tensor([0.05, -0.2, 0.1])).abs().mean()
    torch.testing.assert_close(terms["distortion"], expected)
    torch.testing.assert_close(terms["code_size"], codes.norm(dim=1).square().mean())
    torch.testing.assert_close(terms["total"], expected + 0.5 * terms["code_size"])


def test_the_error_has_a_slope_wherever_it_is_not_0_and_is_the_paper_s_within_the_limit():
    model = make(clamp=0.1)
    made = torch.linspace(-0.3, 0.3, 61)[:, None].expand(-1, 3).clone().requires_grad_()
    known = torch.tensor([0.04, 0.5, -0.1]).expand(61, 3)
    errors = model._error(made, known)
    errors.sum().backward()
    gaps = (made - known.clamp(-0.1, 0.1)).abs().detach()
    beyond = torch.stack([torch.zeros(61, dtype=torch.bool), made[:, 1] > 0.1, made[:, 2] < -0.1], 1)
    torch.testing.assert_close(errors, torch.where(beyond, 0, gaps).mean(1))
    assert ((made.grad != 0) | beyond | (gaps < 1e-6)).all()
    inside = made.abs().amax(1) <= 0.1
    paper = (made.clamp(-0.1, 0.1) - known.clamp(-0.1, 0.1)).abs().mean(1)
    torch.testing.assert_close(errors[inside], paper[inside])


def test_points_are_of_the_grid_with_their_distances_and_mostly_near_the_surface():
    split = disks(6, 0)
    inputs = torch.from_numpy(split.inputs)
    model = make()
    points, known = model._chosen(inputs, torch.rand(6, 400, generator=torch.Generator().manual_seed(0)))
    rows = torch.cdist(points.reshape(-1, 2), model.grid).argmin(1).reshape(6, 400)
    torch.testing.assert_close(model.grid[rows], points)
    torch.testing.assert_close(inputs.flatten(1).gather(1, rows), known)
    assert known.abs().mean() < 0.6 * inputs.abs().mean()
    ends = model._chosen(inputs, torch.tensor([[0.0, 1 - 2**-24]]).expand(6, 2))[1]
    assert torch.isfinite(ends).all()


def test_chances_fall_with_the_distance():
    inputs = torch.zeros(1, *PLANE)
    inputs[..., :8] = 0.05
    inputs[..., 8:] = 5.0
    known = make()._chosen(inputs, torch.rand(1, 20_000, generator=torch.Generator().manual_seed(0)))[1]
    near, far = np.exp(-1) + 0.05, 0.05
    assert (known < 1).float().mean().item() == pytest.approx(near / (near + far), abs=0.01)


# the decoder


def test_a_grid_is_decoded_as_its_points_are(learned):
    model, _, space = learned
    with torch.no_grad():
        grids = model.decode(space.codes[:3])
        points = torch.tensor([[-1 + 1 / 16, 1 - 1 / 16], [1 - 1 / 16, 1 - 1 / 16], [-1 + 1 / 16, 1 / 16 - 1]])
        corners = torch.stack([grids[:, 0, 0, 0], grids[:, 0, 0, -1], grids[:, 0, -1, 0]], 1)
        torch.testing.assert_close(model.decode_at(space.codes[:3], points), corners, atol=1e-5, rtol=1e-5)


def test_axes_of_bodies():
    grid = make((1, 2, 2, 2)).grid
    assert grid[0].tolist() == [-0.5, 0.5, -0.5]  # first layer, upper row, first column: x, y, z
    assert grid[1].tolist() == [0.5, 0.5, -0.5]
    assert grid[2].tolist() == [-0.5, -0.5, -0.5]
    assert grid[4].tolist() == [-0.5, 0.5, 0.5]


def test_parts_make_no_difference(monkeypatch, learned):
    model, _, space = learned
    whole = model.decode(space.codes[:4]).detach()
    monkeypatch.setattr("latentbench_models.deepsdf.POINTS", 100)
    torch.testing.assert_close(model.decode(space.codes[:4]).detach(), whole, atol=1e-5, rtol=1e-5)


def test_any_resolution_shows_the_same_shape(learned):
    model, _, space = learned
    along = (2 * torch.arange(96) + 1) / 96 - 1
    points = torch.stack(torch.meshgrid(-along, along, indexing="ij")[::-1], -1).reshape(-1, 2)
    with torch.no_grad():
        fine = model.decode_at(space.codes[:5], points).reshape(5, 1, 96, 96)
    true = torch.from_numpy(disks(30, 1, 96).inputs[:5])
    assert iou_per_shape(true, fine).mean() > 0.93


def test_gradients_reach_the_codes(learned):
    model, _, space = learned
    codes = space.codes[:2].clone().requires_grad_()
    assert model.decode(codes).shape == (2, 1, 16, 16)
    model.decode(codes).abs().sum().backward()
    assert codes.grad.any(1).all()
    model.zero_grad()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 8, 8), "uint8"), ((3, 8, 8), "float32"), ((8,), "float32"), ((1, 8), "float32")]
)
def test_what_are_no_distances_is_refused(shape, dtype):
    with pytest.raises(NotApplicableError) as caught:
        DeepSDF(DeepSDF.Params(), DataSpec(shape, dtype, 8))
    assert str(caught.value) == (
        "deepsdf takes signed distances on a grid, float32 (1, h, w) or (1, d, h, w), got "
        f"{dtype} of shape {shape}"
    )


def test_grids_of_another_shape_are_refused():
    model = DeepSDF(DeepSDF.Params(latent_dim=2, width=4, fit_steps=1), DataSpec((1, 8, 8), "float32", 3))
    with pytest.raises(ValueError, match=r"inputs must be \(n, 1, 8, 8\), got \(2, 1, 4, 4\)"):
        model.encode(torch.zeros(2, 1, 4, 4))
    assert model.decode_at(torch.zeros(2, 2), torch.zeros(0, 2)).shape == (2, 0)


def test_one_training_shape_is_enough_to_fit_codes():
    model = DeepSDF(DeepSDF.Params(latent_dim=2, width=4, fit_steps=1), DataSpec((1, 8, 8), "float32", 1))
    assert model.encode(torch.zeros(2, 1, 8, 8)).isfinite().all()
