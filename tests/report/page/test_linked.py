import base64
import io

import numpy as np
import pytest
from PIL import Image

import latentbench
from latentbench.latent.maps.projection import Map, make_map, shown_rows
from latentbench.report.page.embedding import page_data
from latentbench.report.page.linked import LinkedMaps
from latentbench.report.page.neighbors import nearest_items
from latentbench.report.page.packing import packed_numbers, packed_values
from latentbench.report.page.sprites import sprite_sheets


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), "<" + packed["kind"])


def values(packed):
    steps = numbers(packed).astype(float)
    read = packed["low"] + steps / 65_534 * (packed["high"] - packed["low"])
    return np.where(steps == 65_535, np.nan, read)


@pytest.mark.parametrize(("largest", "kind"), [(0, "u1"), (255, "u1"), (256, "u2"), (70_000, "u4")])
def test_numbers_take_as_few_bytes_as_the_largest_needs(largest, kind):
    packed = packed_numbers(np.array([0, largest]))
    assert packed["kind"] == kind
    assert numbers(packed).tolist() == [0, largest]


def test_values_come_back_to_a_part_of_their_range():
    drawn = np.random.default_rng(0).normal(size=1000) * 7
    drawn[3] = np.nan
    read = values(packed_values(drawn))
    assert np.isnan(read[3])
    assert np.nanmax(abs(read - drawn)) <= np.ptp(drawn[~np.isnan(drawn)]) / 65_534
    assert (values(packed_values(np.full(3, 2.5))) == 2.5).all()
    assert np.isnan(values(packed_values(np.array([np.nan, np.inf])))).all()


def test_neighbors_are_those_of_a_full_sort():
    codes = np.random.default_rng(1).normal(size=(1200, 5)) + 100
    distances = ((codes[:, None] - codes[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    assert (nearest_items(codes, 4) == np.argsort(distances, axis=1)[:, :4]).all()
    assert nearest_items(codes[:3]).shape == (3, 2)


def sheet(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 8), (1, 28), (3, 40)])
def test_a_thumbnail_lies_where_its_number_says(channels, side):
    rng = np.random.default_rng(2)
    images = rng.random((30, channels, 1, 1)) * np.ones((1, 1, side, side))
    sprites = sprite_sheets(images)
    assert (sprites.width, sprites.height) == (side, side)
    (only,) = sprites.sheets
    pixels = np.asarray(sheet(only).convert("RGB"), float)
    for item in (0, 7, 29):
        down, across = divmod(item, sprites.across)
        tile = pixels[down * side : (down + 1) * side, across * side : (across + 1) * side]
        middle = tile[side // 2, side // 2] / 255
        assert abs(middle - images[item, :, 0, 0]).max() < (0.003 if side <= 16 else 0.06)


def test_large_images_become_small_and_many_take_several_sheets():
    assert (lambda sprites: (sprites.width, sprites.height))(sprite_sheets(np.zeros((2, 3, 64, 96)))) == (48, 32)
    many = sprite_sheets(np.zeros((300, 1, 48, 300)))
    assert (many.width, many.height) == (48, 8)
    tall = sprite_sheets(np.zeros((10_000, 1, 48, 48), np.float32))
    assert len(tall.sheets) == 2
    assert all(max(sheet(uri).size) <= 4096 for uri in tall.sheets)


def space(codes, **more):
    return latentbench.LatentSpace.from_arrays(codes=codes, **more)


def test_a_map_of_fewer_items_leaves_the_others_without_a_place():
    codes = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
    linked = LinkedMaps(30)
    few = make_map(codes, "tsne", count=12)
    linked.add("vae", space(codes), [few])
    pca, tsne = linked.content["spaces"][0]["maps"]
    rows = shown_rows(50, 30)
    assert numbers(linked.content["rows"]).tolist() == rows.tolist()
    x = values(tsne["x"])
    assert np.isfinite(x).sum() == 12
    assert np.allclose(x[np.isin(rows, few.rows)], few.places[:, 0], atol=1e-3)
    assert tsne["about"] == "12 of 30 items"
    assert np.isfinite(values(pca["x"])).all()
    assert pca["about"].endswith("% of the variance")


def test_trust_scores_stand_below_their_map():
    codes = np.random.default_rng(3).normal(size=(20, 4))
    places = codes[:, :2]
    trusted = {"trustworthiness": 0.912, "continuity": 0.9}
    stored = [Map(name, 0, np.arange(20), places, {}, 1.0, "", trusted) for name in ("pca", "umap")]
    linked = LinkedMaps(20)
    linked.add("vae", space(codes), stored)
    pca, umap = linked.content["spaces"][0]["maps"]
    assert pca["about"].endswith("of the variance, trustworthiness 0.91, continuity 0.90")
    assert umap["about"] == "trustworthiness 0.91, continuity 0.90"


def test_references_stand_last_and_other_items_are_passed_over():
    codes = np.random.default_rng(4).normal(size=(20, 3))
    linked = LinkedMaps(2000)
    linked.add("pca", space(codes), reference="yardstick")
    linked.add("vae", space(codes))
    linked.add("other", space(codes[:7]))
    assert [each["name"] for each in linked.content["spaces"]] == ["vae", "pca"]
    assert LinkedMaps(5).content is None


def test_classes_and_factors_are_those_of_the_items():
    codes = np.random.default_rng(5).normal(size=(30, 3))
    labels, factors = np.arange(30) % 3 + 4, np.linspace(0, 1, 60).reshape(30, 2)
    linked = LinkedMaps(10)
    linked.add("vae", space(codes, labels=labels, factors=factors, factor_names=("size", "tilt")))
    rows = shown_rows(30, 10)
    content = linked.content
    assert content["classes"]["names"] == ["class 4", "class 5", "class 6"]
    assert (numbers(content["classes"]["of"]) + 4 == labels[rows]).all()
    assert [factor["name"] for factor in content["factors"]] == ["size", "tilt"]
    assert np.allclose(values(content["factors"][1]), factors[rows, 1], atol=1e-4)
    assert content["thumbnails"] is None


def test_what_one_space_lacks_comes_from_another():
    codes, images = np.random.default_rng(6).normal(size=(20, 3)), np.zeros((20, 1, 8, 8), np.float32)
    linked = LinkedMaps(2000)
    linked.add("mine", space(codes))
    linked.add("vae", space(codes, inputs=images, labels=np.arange(20) % 2))
    assert len(linked.content["classes"]["names"]) == 2
    assert linked.content["thumbnails"]["width"] == 8


def test_data_cannot_end_its_element():
    assert "<" not in page_data({"name": "</script><!--<script>"})
