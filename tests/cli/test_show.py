"""`latentbench show`: pictures of what models decode, and the numbers beside them."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import latentbench
from latentbench import Benchmark
from latentbench.drawing import drawing
from latentbench.latent.traversal import activity
from latentbench.plugins import Plugins
from latentbench.results import Results

MAPPED = '''
from latentbench import Model, NotApplicableError, hookimpl

class Mapped(Model):
    """Codes of all items together, no decoder."""
    encoder = decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 3
    def encode(self, inputs): raise NotApplicableError("no")
    def embed(self, inputs): return inputs.flatten(1)[:, 20:23]
    def get_state(self): return {}
    def set_state(self, state): pass

class Pickled(Mapped):
    """Cannot be reloaded."""
    def get_state(self): return None

@hookimpl
def register_models(register):
    register("mapped", Mapped)
    register("pickled", Pickled)
'''


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of models that decode and of one that does not."""
    folder = tmp_path_factory.mktemp("show")
    (folder / "mapped.py").write_text(MAPPED)
    benchmark = Benchmark(
        models=("vae", "mapped", "pickled"),
        references=("pca", "pixels"),
        seeds=2,
        scores=("mse",),
        budget={"epochs": 2, "batch_size": 64, "train_limit": 300},
        params={"latent_dim": 3},
    )
    plugins = Plugins(files=(str(folder / "mapped.py"),))
    return latentbench.run(benchmark, folder / "run", plugins=plugins, workers=0)


@pytest.fixture
def show(finished, tmp_path, cli):
    """A function that types `latentbench show` and returns its status, the files it names and its messages."""

    def call(*words):
        plugin = finished.path.parent / "mapped.py"
        status, out, err = cli("show", finished.path, "--plugin", plugin, "-o", tmp_path / "out", *words)
        return status, out.split(), err

    return call


def only(paths, ending):
    (path,) = [path for path in paths if path.endswith(ending)]
    return path


def test_reconstructions_of_all_models_on_the_same_items(show, finished):
    status, paths, err = show("--items", "5,0,17", "--format", "pdf,svg,png")
    assert status == 0
    assert [path.rpartition(".")[2] for path in paths] == ["png", "svg", "pdf", "csv"]
    assert err.splitlines() == [
        "mapped is left out: no decoder",
        "pickled is left out: pickled cannot be reloaded; its scores come with its training",
    ]
    numbers = pd.read_csv(only(paths, "csv"))
    assert numbers["model"].tolist() == ["pca"] * 3 + ["vae"] * 3
    assert numbers["item"].tolist() == [5, 0, 17] * 2
    trial = next(trial for trial in finished.trials if trial.label == "pca")
    space = finished.latent_space(trial)
    expected = (space.reconstructions - space.inputs)[[5, 0, 17]].square().flatten(1).mean(1)
    np.testing.assert_allclose(numbers["mse"][:3], expected, rtol=1e-5)


def test_the_sheet_holds_words_and_says_what_it_shows(show):
    _, paths, _ = show("--items", "5,0", "--format", "png,svg")
    with Image.open(only(paths, "png")) as picture:
        assert '"items": [5, 0]' in picture.text["Description"]
        assert picture.width > 2 * 56
        assert picture.height > 5 * 56  # input, and two rows a model
    with open(only(paths, "svg")) as file:  # noqa: PTH123 - of a path that was printed
        words = file.read()
    assert all(f">{word}<" in words for word in ("input", "pca", "vae", "difference"))
    assert ">pixels<" not in words


def test_what_pca_puts_below_black_is_black(show, finished, monkeypatch):
    """And is not taken for the inside of a signed distance: pictures are near the inputs as their numbers say."""
    space = finished.latent_space(next(trial for trial in finished.trials if trial.label == "pca"))
    item = int(space.reconstructions.flatten(1).amin(1).argmin())
    assert space.reconstructions[item].min() < -0.1
    sheets, plain = [], drawing.draw_sheet

    def kept(sheet, *others):
        sheets.append(sheet)
        return plain(sheet, *others)

    monkeypatch.setattr(drawing, "draw_sheet", kept)
    show("--model", "pca", "--items", str(item))
    inputs, outputs, _ = sheets[0].images[:, 0]
    assert np.allclose(inputs, space.inputs[item].numpy())
    assert np.allclose(outputs, space.reconstructions[item].clamp(0, 1).numpy(), atol=1e-6)


def test_without_items_the_first_of_each_class_is_shown(show, finished):
    _, paths, _ = show("--model", "pca")
    numbers = pd.read_csv(only(paths, "csv"))
    labels = finished.latent_space(finished.trials[-1]).labels.numpy()
    assert labels[numbers["item"]].tolist() == list(range(10))
    assert set(numbers["model"]) == {"pca"}


def test_a_seed_may_be_chosen(show):
    _, paths, _ = show("--model", "vae", "--seed", "1", "--items", "3")
    assert pd.read_csv(only(paths, "csv"))["seed"].tolist() == [1]


def test_traversals_have_the_most_active_dimension_first(show, finished):
    status, paths, _ = show("--what", "traversals", "--model", "vae", "--seed", "0", "--steps", "5")
    assert status == 0
    numbers = pd.read_csv(only(paths, "csv"))
    assert len(numbers) == 3 * 5
    space = finished.latent_space(next(t for t in finished.trials if (t.label, t.seed) == ("vae", 0)))
    expected = activity(space)
    order = expected.argsort(descending=True)
    assert numbers["dim"][::5].tolist() == order.tolist()
    np.testing.assert_allclose(numbers["activity"][::5], expected[order], rtol=1e-6)
    assert set(numbers["unit"]) == {"nats"}
    np.testing.assert_allclose(numbers["quantile"][:5], np.linspace(0.05, 0.95, 5))
    first = int(order[0])
    drawn = torch.quantile(space.code_samples[:, first].double(), 0.95)
    assert numbers["code"][4] == pytest.approx(float(drawn), rel=1e-5)


def test_traversals_start_from_items(show):
    status, paths, _ = show("--what", "traversals", "-m", "pca", "--items", "4,9", "--dims", "2")
    assert status == 0
    stems = {path.rpartition("/")[2].partition(".")[0] for path in paths}
    assert stems == {f"digits-pca-seed0-traversals-item={item}-dims=2" for item in (4, 9)}
    numbers = pd.read_csv(next(path for path in paths if path.endswith("csv")))
    assert sorted(set(numbers["dim"])) == [0, 1]
    assert set(numbers["unit"]) == {"variance"}


def test_one_model_and_seed_can_be_asked_for(show):
    status, paths, err = show("--model", "pixels")
    assert (status, paths) == (2, [])
    assert "no model of this run has reconstructions of digits to show" in err
    status, paths, err = show("--model", "vae", "--seed", "1", "--items", "3,4")
    assert status == 0, err
    assert only(paths, "png").endswith("digits-vae-seed1-reconstructions-items=3_4.png")


WRONG = {
    "item": (["--items", "0,360"], "--items must be a test item from 0 to 359, got 360"),
    "model": (
        ["--model", "vea"],
        "this run has no model 'vea' on digits; it has vae, mapped, pickled, pca, pixels",
    ),
    "seed": (["--seed", "7"], "--seed must be one of 0, 1, got 7"),
    "dataset": (["--dataset", "faces"], "this run has no data set 'faces'; it has digits"),
    "decoder": (["--model", "mapped"], "no model of this run has reconstructions of digits to show"),
    "several": (["--what", "traversals"], "this run has several: choose a model with --model, one of "),
    "no walk": (
        ["--what", "traversals", "--model", "mapped"],
        "mapped on digits: no decoder; choose another --model",
    ),
    "gone": (
        ["--what", "traversals", "--model", "pickled"],
        "pickled cannot be reloaded; its scores come with its training; choose another --model",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_one_sentence(show, case):
    words, expected = WRONG[case]
    status, paths, err = show(*words)
    assert status == 2
    assert paths == []
    assert f"latentbench: {expected}" in err


def test_items_that_are_no_pictures_say_so(tmp_path, cli):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "points.npz", inputs=rng.normal(size=(200, 6)).astype(np.float32))
    benchmark = Benchmark(
        datasets=(str(tmp_path / "points.npz"),),
        models=("pca",),
        references=(),
        scores=("mse",),
        params={"latent_dim": 2},
    )
    results = latentbench.run(benchmark, tmp_path / "run", workers=0)
    assert isinstance(results, Results)
    for what in ("reconstructions", "traversals"):
        status, _, err = cli("show", tmp_path / "run", "--what", what)
        assert status == 2
        assert "signed distances in space can be drawn, these items have shape (6,)" in err
