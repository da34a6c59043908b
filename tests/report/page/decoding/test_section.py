import base64
import json

import numpy as np
import pytest
import torch

from latentbench.report.page.decoding.content import OpenedModel, item_rows
from latentbench.report.page.decoding.section import decoding_script, decoding_section, opened_models
from latentbench.report.page.pictures import median_trial

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def models(decoders, space_of):
    def make(*names):
        return [OpenedModel(name, "seed 0", "amortized", space_of(decoders[name], (1, 8, 8))) for name in names]

    return make


def test_the_data_cannot_end_the_element_around_them(models):
    (model,) = models("ae on digits")
    section = decoding_section([OpenedModel(EVIL, EVIL, "amortized", model.space)])
    assert not set("<>&") & set(section.data)
    assert json.loads(section.data)["models"][0]["label"] == EVIL
    assert EVIL not in section.html


def test_items_are_the_first_of_each_class(models):
    (model,) = models("ae on digits")
    rows = item_rows(model.space)
    assert rows == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
    items = json.loads(decoding_section([model]).data)["items"]
    assert items["names"][4].startswith("item 1 (")
    assert items["words"] == "Shown are 12 of 60 test items, the first 4 of each class."


def test_directions_are_differences_of_means(models):
    (model,) = models("ae on digits")
    data = json.loads(decoding_section([model]).data)["models"][0]
    codes = model.space.codes.numpy()

    def numbers(text):
        return np.frombuffer(base64.b64decode(text), "<f4")

    np.testing.assert_allclose(numbers(data["directions"]["classes"][2]["mean"]), codes[2::3].mean(0), rtol=1e-5)
    values = model.space.factors[:, 1].numpy()
    slope = ((values - values.mean())[:, None] * codes).sum(0) / ((values - values.mean()) ** 2).sum()
    np.testing.assert_allclose(
        numbers(data["directions"]["factors"][1]["vector"]), slope * values.std(), rtol=1e-4
    )
    assert data["directionWords"] == "60 training items"


def test_a_decoder_that_the_page_does_not_know_is_named(models):
    good, bad = models("ae on digits", "pca")
    unknown = OpenedModel(EVIL, "", "amortized", bad.space.replaced(decode=lambda codes: torch.erfinv(codes)))
    broken = OpenedModel("broken", "", "amortized", bad.space.replaced(decode=lambda codes: 1 / 0))
    section = decoding_section([good, unknown, broken], absent=[("lost", "its files are damaged")])
    assert [model["label"] for model in json.loads(section.data)["models"]] == ["ae on digits"]
    assert "ZeroDivisionError: division by zero" in section.html
    assert "lost <small" in section.html
    assert EVIL not in section.html


def test_without_decoders_there_is_a_sentence():
    section = decoding_section([])
    assert section.data == ""
    assert "No decoder can run in this page." in section.html


def test_all_models_have_the_same_directions(models):
    first, second = models("ae on digits", "pca")
    fewer = second.space.replaced(labels=torch.zeros(60, dtype=torch.int64))
    section = decoding_section([first, OpenedModel("pca", "", "given", fewer)])
    kinds = [model["directions"]["classes"] for model in json.loads(section.data)["models"]]
    assert [[each["name"] for each in classes] for classes in kinds] == [["zero"], ["zero"]]


def test_models_are_opened_by_their_median_seeds(drawn_results, seen):
    results = seen(drawn_results().results())
    opened, absent = opened_models(results, "fashion_mnist", results.labels)
    medians = {label: median_trial(results, "fashion_mnist", label).seed for label in results.labels}
    assert [model.label for model in opened] == [label for label in results.labels if label != "pixels"]
    assert all(model.note == f"seed {medians[model.label]}" for model in opened)
    assert absent == []


def test_a_decoder_of_the_quick_preset_is_small():
    """Digits, 8 codes: the sizes in suites/quick.toml; the page's script is small beside them."""
    assert len(decoding_script()) < 60_000
