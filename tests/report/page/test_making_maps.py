import pytest
import torch

import latentbench
from latentbench.errors import RequestError
from latentbench.execution import maps
from latentbench.execution.maps import stored_maps
from latentbench.records import Record
from latentbench.report.page import making_maps
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
    pictures(results, "digits")
    assert methods(results) == {"pca": [], "ae": []}
    spaces = pictures(results, "digits", ("pca", "tsne")).linked["spaces"]
    assert methods(results) == {"pca": [], "ae": ["pca", "tsne"]}
    written = {path: path.stat().st_mtime_ns for path in results.path.rglob("maps/*")}
    again = pictures(results, "digits", ("pca", "tsne")).linked["spaces"]
    assert {path: path.stat().st_mtime_ns for path in results.path.rglob("maps/*")} == written
    assert spaces == again == pictures(results, "digits").linked["spaces"]
    assert [(each["name"], [map_["name"] for map_ in each["maps"]]) for each in spaces] == [
        ("ae", ["PCA", "t-SNE"]),
        ("pca", ["PCA"]),
    ]


def test_a_map_that_cannot_be_made_is_told_and_costs_nothing_else(results, monkeypatch):
    def trial_map(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(making_maps, "trial_map", trial_map)
    with pytest.warns(UserWarning, match="no map by umap is made of ae: RuntimeError: no room"):
        seen = pictures(results, "digits", ("umap",))
    assert [each["name"] for each in seen.linked["spaces"]] == ["ae", "pca"]
    assert seen.skipped == ()


def test_small_maps_are_made_on_one_thread_and_the_others_on_all(results, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", (chosen := []).append)
    trial = next(trial for trial in results.trials if trial.label == "ae")
    about = Record(results.path, trial.key), results.latent_space(trial), "pca", results.loaded_plugins()
    monkeypatch.setattr(maps, "SMALL", 150)
    maps.trial_map(*about, count=149)
    before = len(chosen)
    assert chosen[:1] == [1]
    maps.trial_map(*about, count=150)
    assert len(chosen) == before


def test_presets_make_the_maps_of_their_page():
    assert latentbench.Benchmark().maps == ("pca", "tsne")
    assert latentbench.Benchmark(preset="standard").maps == ("pca", "tsne", "umap")
    with pytest.raises(RequestError, match="maps"):
        latentbench.Benchmark(maps=("isomap",))
