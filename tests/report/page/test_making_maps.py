import time

import numpy as np
import pytest
import torch

import latentbench
from latentbench.errors import RequestError
from latentbench.execution import maps
from latentbench.execution.maps import stored_maps
from latentbench.records import Record
from latentbench.report.page import making_maps, maps_meanwhile
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


@pytest.fixture
def without_maps(results):
    """The run, whose maps are removed."""
    for path in results.path.rglob("maps/*.npz"):
        path.unlink()
    return results


def test_small_maps_are_made_while_something_else_is_done(without_maps, monkeypatch):
    monkeypatch.setattr(maps_meanwhile, "available_cores", lambda: 2)
    with maps_meanwhile.maps_meanwhile(without_maps, ("pca", "tsne")):
        drawn = methods(without_maps)
    assert drawn.keys() == {"pca", "ae"}
    assert methods(without_maps) == {"pca": [], "ae": ["pca", "tsne"]}
    made = {path.name: places(path) for path in without_maps.path.rglob("maps/*.npz")}
    for path in without_maps.path.rglob("maps/*.npz"):
        path.unlink()
    pictures(without_maps, "digits", ("pca", "tsne"))
    assert {path.name: places(path) for path in without_maps.path.rglob("maps/*.npz")} == made


def places(path):
    with np.load(path) as arrays:
        return arrays["places"].tolist()


@pytest.mark.parametrize(
    ("name", "value"), [("available_cores", lambda: 1), ("can_fork", lambda: False), ("SMALL", 10)]
)
def test_other_maps_are_left_for_the_page(without_maps, monkeypatch, name, value):
    monkeypatch.setattr(maps_meanwhile, "available_cores", lambda: 2)
    monkeypatch.setattr(maps_meanwhile, name, value)
    with maps_meanwhile.maps_meanwhile(without_maps, ("pca",)):
        pass
    assert methods(without_maps) == {"pca": [], "ae": []}


def test_an_error_meanwhile_does_not_wait_for_maps(without_maps, monkeypatch):
    monkeypatch.setattr(maps_meanwhile, "available_cores", lambda: 2)
    monkeypatch.setattr(maps_meanwhile, "_make", lambda *_: time.sleep(60))
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError), maps_meanwhile.maps_meanwhile(without_maps, ("pca",)):
        raise ZeroDivisionError
    assert time.monotonic() - started < 30


def test_what_goes_wrong_meanwhile_is_told_where_it_is_tried_again(without_maps, monkeypatch, capfd):
    def trial_map(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(maps_meanwhile, "available_cores", lambda: 2)
    monkeypatch.setattr(making_maps, "trial_map", trial_map)
    with maps_meanwhile.maps_meanwhile(without_maps, ("umap",)):
        pass
    assert capfd.readouterr() == ("", "")
    with pytest.warns(UserWarning, match="no map by umap is made of ae: RuntimeError: no room"):
        pictures(without_maps, "digits", ("umap",))
