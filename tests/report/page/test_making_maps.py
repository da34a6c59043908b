import pytest

import latentbench
from latentbench.errors import RequestError
from latentbench.execution.maps import stored_maps
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.report.page.making_maps import make_maps
from latentbench.report.page.pictures import pictures


@pytest.fixture(scope="module")
def results(tiny, tmp_path_factory):
    asked = tiny(models=("ae",), references=("pca",))
    return latentbench.run(asked, tmp_path_factory.mktemp("page") / "run", workers=0)


def methods(results):
    return {
        trial.label: [map_.method for map_ in stored_maps(Record(results.path, trial.key))]
        for trial in results.trials
    }


def test_compared_models_get_maps_once_and_the_page_shows_them(results):
    make_maps(results, (), Plugins())
    assert methods(results) == {"pca": [], "ae": []}
    make_maps(results, ("pca", "tsne"), Plugins())
    assert methods(results) == {"pca": [], "ae": ["pca", "tsne"]}
    written = {path: path.stat().st_mtime_ns for path in results.path.rglob("maps/*")}
    make_maps(results, ("pca", "tsne"), Plugins())
    assert {path: path.stat().st_mtime_ns for path in results.path.rglob("maps/*")} == written
    spaces = pictures(results, "digits").linked["spaces"]
    assert [(each["name"], [map_["name"] for map_ in each["maps"]]) for each in spaces] == [
        ("ae", ["PCA", "t-SNE"]),
        ("pca", ["PCA"]),
    ]


def test_a_model_that_cannot_be_loaded_is_told_and_costs_nothing_else(results, monkeypatch):
    def latent_space(trial):
        raise RuntimeError("weights are gone")

    monkeypatch.setattr(results, "latent_space", latent_space)
    with pytest.warns(UserWarning, match="no maps are made of ae: RuntimeError: weights are gone"):
        make_maps(results, ("tsne",), Plugins())


def test_presets_make_the_maps_of_their_page():
    assert latentbench.Benchmark().maps == ("pca", "tsne")
    assert latentbench.Benchmark(preset="standard").maps == ("pca", "tsne", "umap")
    with pytest.raises(RequestError, match="maps"):
        latentbench.Benchmark(maps=("isomap",))
