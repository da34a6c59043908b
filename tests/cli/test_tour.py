import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentbench.api import load_results

NO_DECODER = '''
from latentbench import Model, hookimpl

class Corner(Model):
    """The first pixels, without a way back."""
    decoder = "none"
    def fit(self, train, generator): pass
    def encode(self, inputs): return inputs.flatten(1)[:, :20]
    def get_state(self): return {}
    def set_state(self, state): pass

@hookimpl
def register_models(register):
    register("corner", Corner, summary="a model without decoder")
'''
TOML = """
models = ["ae", "pca", "corner"]
references = []
seeds = 1
scores = ["r2"]
budget = {epochs = 3, checkpoint = [1, 2], batch_size = 64, train_limit = 200}
params = {latent_dim = 4}
[on.digits]
budget = {epochs = 3}
"""


@pytest.fixture(scope="module")
def run(finished_run):
    """A finished run with looks at an autoencoder after one, two and three epochs, and at others once."""
    return finished_run(TOML, plugin=NO_DECODER)


def pictures(path):
    """Frames `(n, h, w, 3)` of an animation."""
    with Image.open(path) as film:
        frames = []
        for number in range(film.n_frames):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")).astype(int))
    return np.stack(frames)


def test_a_tour_visits_every_cluster_and_comes_back(cli, run, tmp_path):
    command = ("tour", run, "-m", "ae", "--method", "pca", "--clusters", 5, "--seconds-per-stop", 0.32)
    status, out, err = cli(*command, "--count", 200, "-o", tmp_path)
    assert (status, err) == (0, "")
    still, film, numbers = out.split()
    assert still == film.replace("webp", "png")
    assert film == str(tmp_path / "digits-ae_epochs=3-seed0-pca-count=200-clusters=5-seconds-per-stop=0.32.webp")
    frame = pd.read_csv(numbers)
    assert len(frame) == 20
    assert frame["frame"].tolist() == list(range(20))
    assert frame["stop"].tolist() == np.arange(5).repeat(4).tolist()
    at_stops = frame[frame["frame"] % 4 == 0]
    assert at_stops["item"].nunique() == 5
    results = load_results(run)
    space = results.latent_space(next(t for t in results.trials if t.label == "ae(epochs=3)"))
    items = at_stops["item"].tolist()
    codes = space.codes[items].numpy()
    np.testing.assert_allclose(at_stops[[f"code {i}" for i in range(4)]], codes, atol=1e-6)
    assert at_stops["class"].tolist() == space.labels[items].tolist()
    shown = pictures(film)
    assert len(shown) == 20
    assert (np.abs(np.diff(shown, axis=0)).max(axis=(1, 2, 3)) > 30).all()  # something moves in every frame


def test_the_dot_is_where_the_numbers_say(cli, run, tmp_path):
    command = ("tour", run, "-m", "pca", "--method", "pca", "--clusters", 3, "--seconds-per-stop", 0.16)
    assert cli(*command, "--animation", "gif", "-o", tmp_path)[0] == 0
    film, numbers = (
        tmp_path / f"digits-pca-seed0-pca-clusters=3-seconds-per-stop=0.16.{end}" for end in ("gif", "csv")
    )
    shown = pictures(film)[:, :, :300]  # of the map, at least 320 wide
    frame = pd.read_csv(numbers)
    common = np.median(shown, axis=0)
    spots = []
    for picture in shown:
        rows, columns = np.nonzero(np.abs(picture - common).max(axis=2) > 60)
        spots.append((columns.mean(), -rows.mean()))
    for axis, name in enumerate("xy"):
        assert np.corrcoef(np.array(spots)[:, axis], frame[name])[0, 1] > 0.98


def test_a_space_forms_over_the_checkpoints(cli, run, tmp_path):
    command = ("tour", run, "-m", "ae", "--forming", "--method", "pca", "--count", 100, "--seconds-per-stop", 0.4)
    status, out, err = cli(*command, "-o", tmp_path)
    assert (status, err) == (0, "")
    still, film, numbers = out.split()
    assert still == film.replace("webp", "png")
    assert film == str(tmp_path / "digits-ae_epochs=3-seed0-pca-count=100-seconds-per-stop=0.4-forming.webp")
    frame = pd.read_csv(numbers)
    assert frame.groupby("epoch").size().to_dict() == {1: 100, 2: 100, 3: 100}
    assert frame.groupby("epoch")["frame"].first().tolist() == [0, 5, 10]
    last = frame[frame["epoch"] == 3]
    middle = last[["x", "y"]].mean()
    for epoch in (1, 2):
        rows = frame[frame["epoch"] == epoch]
        assert rows["item"].tolist() == last["item"].tolist()
        np.testing.assert_allclose(rows[["x", "y"]].mean(), middle, atol=1e-9)
        turned = rows[["x", "y"]].to_numpy() - middle.to_numpy()
        product = turned.T @ (last[["x", "y"]].to_numpy() - middle.to_numpy())
        np.testing.assert_allclose(product, product.T, atol=1e-8)  # no turn brings it nearer
    with Image.open(film) as opened:
        assert opened.n_frames >= 10


def test_every_checkpoint_keeps_its_map(cli, run, tmp_path):
    command = ("tour", run, "-m", "ae", "--forming", "--method", "tsne", "--count", 60, "--seconds-per-stop", 0.16)
    of_the_page = set(run.glob("trials/*/maps/tsne-*"))
    assert cli(*command, "-o", tmp_path)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in run.glob("trials/*/maps/tsne-*")}
    film = tmp_path / "digits-ae_epochs=3-seed0-tsne-count=60-seconds-per-stop=0.16-forming.webp"
    content = film.read_bytes()
    assert len(before.keys() - of_the_page) == 3
    assert cli(*command, "-o", tmp_path)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in run.glob("trials/*/maps/tsne-*")} == before
    assert film.read_bytes() == content


def test_without_decoder_the_nearest_item_is_shown(cli, run, tmp_path):
    plugin = ("--plugin", run.parent / "plugin.py")
    command = ("tour", run, *plugin, "-m", "corner", "--method", "pca", "--count", 60, "--clusters", 3)
    assert cli(*command, "-o", tmp_path)[0] == 0
    (table,) = tmp_path.glob("*.csv")
    frame = pd.read_csv(table)
    stops = frame.groupby("stop").first()
    assert (stops["nearest item"] == stops["item"]).all()  # at a stop it is the item of the stop
    assert frame["nearest item"].nunique() > 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-m", "pca", "--forming"), "make a run that has some, as `latentbench run -m pca --checkpoints"),
        (("-m", "pca", "--method", "pca", "--count", 20), "--clusters: clusters must be from 1 to 20"),
        (("-m", "aa"), "this run has no model 'aa'"),
    ],
    ids=["checkpoints", "clusters", "name"],
)
def test_a_wrong_request_is_one_sentence(cli, run, options, sentence):
    status, out, err = cli("tour", run, "--plugin", run.parent / "plugin.py", *options)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
