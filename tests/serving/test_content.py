import json
import re

import pytest
import torch
from torch import nn

from latentbench.latent.space import LatentSpace
from latentbench.report.page.decoding.content import OpenedModel
from latentbench.serving.content import ServedDecoding
from latentbench.serving.models import ServedModels
from latentbench.serving.page import served_scripts

EVIL = "<script>alert(1)</script>"
CODES = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
IMAGES = (torch.arange(30 * 36).reshape(30, 1, 6, 6) % 7) / 6


@pytest.fixture
def section():
    """A function from maps of a space to its part of the page, the data of its encoding, and what is served."""

    def make(label="made", **changes):
        served = ServedModels()
        content = ServedDecoding(served)
        space = LatentSpace.from_arrays(
            **{"codes": CODES, "inputs": IMAGES, "labels": torch.arange(30) % 3, **changes}
        )
        content.add(OpenedModel(label, "seed 0", "amortized", space))
        part = content.section()
        encoding = re.findall(r'<script type="application/json" id="encoding-data-0">(.*?)</script>', part.html)
        return part, [json.loads(each) for each in encoding], served

    return make


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 36), nn.Unflatten(1, (1, 6, 6)))


def odd(codes):
    return linear()(codes).clamp(-0.9, 0.9).erfinv()


def first(images):
    return images.flatten(1)[:, :3]


def decoders(part):
    return json.loads(part.data)["models"]


def test_a_decoder_that_the_page_computes_stays_in_the_page(section):
    part, _, _ = section(decode=linear())
    assert "served" not in decoders(part)[0]
    assert decoders(part)[0]["program"]["operations"]


def test_any_other_decoder_is_asked_of_the_server(section):
    part, _, served = section(decode=odd)
    (model,) = decoders(part)
    assert model["program"] == {"dim": 3}
    pictures = served.models[model["served"]].pictures(CODES[:2].numpy())
    torch.testing.assert_close(torch.from_numpy(pictures), odd(CODES[:2]).clamp(0, 1).detach())


def test_bodies_in_space_are_drawn_by_the_server(section):
    axis = torch.linspace(-1, 1, 8)
    radii = torch.linspace(0.3, 0.8, 30)[:, None, None, None, None]
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    part, encoding, _ = section(
        inputs=ball - radii, decode=lambda codes: ball.expand(len(codes), 1, 8, 8, 8) - 0.5
    )
    assert decoders(part)[0]["program"] == {"dim": 3}
    assert encoding == []
    assert "It has no encoder." in part.html


def test_what_a_model_cannot_do_is_said(section):
    part, encoding, _ = section()
    assert "It has no decoder." in part.html
    assert "It has no encoder." in part.html
    assert "No decoder can run in this page." in part.html
    assert encoding == []
    assert "It has reconstructions alone, and no decoder." in section(reconstructions=IMAGES)[0].html
    assert "without the items that they are of" in section(inputs=None)[0].html
    assert "items have shape (5,)." in section(inputs=torch.zeros(30, 5), encode=first)[0].html
    assert "ZeroDivisionError: division by zero." in section(decode=lambda codes: 1 / 0)[0].html
    wrong = section(decode=lambda codes: torch.zeros(len(codes), 1, 4, 4).erfinv())[0].html
    assert "It decodes pictures of shape (1, 4, 4), its items have (1, 6, 6)." in wrong


def test_items_that_are_no_images_are_not_encoded(section):
    distances = torch.linspace(-0.5, 0.5, 6).expand(30, 1, 6, 6)
    assert "signed distances from outlines, not images." in section(inputs=distances, encode=first)[0].html
    assert (
        "go from 0 to 5, not from 0 to 1 like pixels of an image."
        in section(inputs=IMAGES * 5, encode=first)[0].html
    )


def test_a_model_without_decoder_encodes(section, image_file):
    _, encoding, served = section(encode=first)
    (model,) = encoding[0]["models"]
    made = served.models[model["served"]].encoded(image_file(IMAGES[4, 0] * 255))
    torch.testing.assert_close(torch.from_numpy(made.code), first(IMAGES[4:5])[0], atol=0.5 / 255, rtol=0)
    assert (made.reconstruction, made.mse) == (None, None)


def test_the_place_of_an_item_is_that_on_the_map(section, image_file):
    _, _, served = section(encode=first, codes=first(IMAGES))
    model = served.models[0]
    place = model.encoded(image_file((IMAGES[4, 0] * 255).round())).place
    assert place == pytest.approx(model.places[4], abs=0.01)


def test_names_stay_text(section):
    part, encoding, _ = section(EVIL, decode=odd, encode=first, class_names=(EVIL, "b", "c"))
    assert EVIL not in part.html
    assert EVIL not in part.data
    assert encoding[0]["models"][0]["label"] == EVIL


@pytest.mark.parametrize("script", served_scripts(), ids=lambda script: script.name)
def test_a_script_writes_text_never_markup_and_evaluates_none(script):
    markup = r"</script|<!--|innerHTML|outerHTML|insertAdjacentHTML|document\.write"
    assert re.findall(rf"{markup}|\beval\b|\bFunction\(|XMLHttp", script.text) == []
    assert script.text.startswith('"use strict";\n// ')
