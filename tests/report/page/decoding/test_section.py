import base64
import json

import numpy as np
import pytest
import torch

from latentbench.report.page.decoding.content import OpenedModel, item_rows
from latentbench.report.page.decoding.section import SCRIPTS, DecodingContent
from latentbench.report.page.scripts import page_scripts

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def models(decoders, space_of):
    def make(*names):
        return [OpenedModel(name, "seed 0", "amortized", space_of(decoders[name], (1, 8, 8))) for name in names]

    return make


def test_the_data_cannot_end_the_element_around_them(models, section_of):
    (model,) = models("ae on digits")
    section = section_of(OpenedModel(EVIL, EVIL, "amortized", model.space))
    assert not set("<>&") & set(section.data)
    assert json.loads(section.data)["models"][0]["label"] == EVIL
    assert EVIL not in section.html


def test_items_are_the_first_of_each_class(models, section_of):
    (model,) = models("ae on digits")
    rows = item_rows(model.space)
    assert rows == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
    items = json.loads(section_of(model).data)["items"]
    assert items["names"][4].startswith("item 1 (")
    assert items["words"] == "Shown are 12 of 60 test items, the first 4 of each class."


def test_directions_are_differences_of_means(models, section_of):
    (model,) = models("ae on digits")
    data = json.loads(section_of(model).data)["models"][0]
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


def test_a_decoder_that_the_page_does_not_know_is_named(models, section_of):
    good, bad = models("ae on digits", "pca")
    unknown = OpenedModel(EVIL, "", "amortized", bad.space.replaced(decode=lambda codes: torch.erfinv(codes)))
    broken = OpenedModel("broken", "", "amortized", bad.space.replaced(decode=lambda codes: 1 / 0))
    section = section_of(good, unknown, broken)
    assert [model["label"] for model in json.loads(section.data)["models"]] == ["ae on digits"]
    assert "ZeroDivisionError: division by zero" in section.html
    assert EVIL not in section.html


def test_without_decoders_there_is_a_sentence(section_of):
    section = section_of()
    assert section.data == ""
    assert "No decoder can run in this page." in section.html


def test_all_models_have_the_same_directions(models, section_of):
    first, second = models("ae on digits", "pca")
    fewer = second.space.replaced(labels=torch.zeros(60, dtype=torch.int64))
    section = section_of(first, OpenedModel("pca", "", "given", fewer))
    kinds = [model["directions"]["classes"] for model in json.loads(section.data)["models"]]
    assert [[each["name"] for each in classes] for classes in kinds] == [["zero"], ["zero"]]


def test_codes_without_inputs_or_decoder_are_passed_over(models):
    (model,) = models("pca")
    content = DecodingContent()
    content.add(OpenedModel("a", "", "given", model.space.replaced(inputs=None)))
    content.add(OpenedModel("b", "", "given", model.space.replaced(decode=None)))
    assert content.models == content.absent == []


def test_a_decoder_of_the_quick_preset_is_small():
    """Digits, 8 codes: the sizes in suites/quick.toml; the page's script is small beside them."""
    scripts = {script.name: script.text for script in page_scripts()}
    assert sum(len(scripts[f"decoding/{name}"]) for name in SCRIPTS) < 80_000
