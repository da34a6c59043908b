"""A click or a drag on a map decodes, and says where the code comes from."""

import numpy as np
import pytest
import torch

from latentbench.drawing.pictures import as_pictures
from latentbench.latent.maps.inverse import NeighborInverse, PlaneInverse
from latentbench.report.page.decoding.content import item_rows
from latentbench.report.page.pictures import median_trial

PAIR = "latentbench.pairs[0]"
MAPS = [f"[data-pair] figure:nth-of-type({place}) canvas.map" for place in (1, 2)]
ALLOWED = 1 / 255 + 1e-6
SHOWN = """() => {
  const canvas = document.querySelector(".decoded");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, place) => data[4 * place] / 255);
}"""


@pytest.fixture
def page(map_page):
    yield map_page
    assert map_page.troubles == []
    assert set(map_page.asked_for) == {map_page.path.as_uri()}


@pytest.fixture(scope="module")
def space(map_results):
    return lambda label: map_results.spaces[median_trial(map_results, "fashion_mnist", label).key]


def choose(page, control, words):
    option = page.tab.locator("[data-pair] select").nth(control).locator("option", has_text=words).first
    page.tab.locator("[data-pair] select").nth(control).select_option(option.get_attribute("value"))


def settle(page):
    page.run("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def click(page, side, across, down):
    area = page.tab.locator(MAPS[side]).bounding_box()
    page.tab.mouse.click(area["x"] + across * area["width"], area["y"] + down * area["width"])
    settle(page)


def own_place(page):
    """Where the cross lies on its own map, before that was turned to lie on the other."""
    return np.array(page.run(f"() => {PAIR}.placePanel.at.own"))


def code(page):
    return np.array(page.run(f"() => [...{PAIR}.placePanel.code]"))


def decoded(space, code):
    picture = space.decode(torch.from_numpy(code).float()[None])
    return as_pictures(picture, like=space.inputs).ravel()


def test_a_click_on_a_plane_decodes_the_exact_point_of_it(page, space):
    click(page, 0, 0.45, 0.55)
    plane = PlaneInverse(space("ae").codes.numpy())
    assert np.allclose(code(page), plane.invert(own_place(page)[None])[0], atol=1e-4)
    assert abs(np.array(page.run(SHOWN)) - decoded(space("ae"), code(page))).max() <= ALLOWED
    assert page.seen(".place-box h5")[0].startswith("Decoded at the cross by ae, seed")
    assert page.seen(".place-box p")[0].startswith("The exact code of this place: it lies in the plane")


def test_a_turned_map_is_turned_back_before_its_plane_is_used(page, space):
    choose(page, 0, "UMAP")  # seven times as large
    click(page, 1, 0.6, 0.4)
    area = page.tab.locator(MAPS[1]).bounding_box()["width"]
    drawn = page.run(f"() => {PAIR}.views[1].placeAt({0.6 * area}, {0.4 * area})")
    assert not np.allclose(own_place(page), drawn, atol=0.1)
    plane = PlaneInverse(space("vae").codes.numpy())
    assert np.allclose(code(page), plane.invert(own_place(page)[None])[0], atol=1e-4)
    assert abs(np.array(page.run(SHOWN)) - decoded(space("vae"), code(page))).max() <= ALLOWED


def test_elsewhere_the_nearest_items_give_the_code(page, space):
    choose(page, 0, "UMAP")
    click(page, 0, 0.5, 0.5)
    codes = space("ae").codes.numpy()
    bent = NeighborInverse(np.tanh(codes[:1500, :2] * 2) * 7, codes[:1500])
    expected = bent.invert(own_place(page)[None])[0]
    assert np.allclose(code(page), expected, atol=0.02 * codes.std())  # places are rounded, too
    assert abs(np.array(page.run(SHOWN)) - decoded(space("ae"), code(page))).max() <= ALLOWED
    shares = [int(text.removesuffix(" %")) for text in page.seen(".place-box figcaption")]
    assert shares == sorted(shares, reverse=True)
    assert abs(sum(shares) - 100) <= 5
    assert page.tab.locator(".place-box .thumbnail").count() == 10
    assert page.seen(".place-box p")[0].startswith("A place on this map has no code of its own. This is the mean")
    assert page.run(f"() => {PAIR}.views[0].cross.radius") > 0


def test_a_place_far_from_all_items_is_gray(page):
    click(page, 0, 0.45, 0.55)
    assert page.tab.locator(".decoded.unsure").count() == 0
    click(page, 0, 0.01, 0.01)
    assert page.tab.locator(".decoded.unsure").count() == 1
    assert page.seen(".place-box .far")[0].startswith(
        "Gray, as it lies off the data: its 10 nearest items lie up to"
    )


def test_dragging_the_cross_changes_the_picture_and_not_the_map(page):
    click(page, 0, 0.45, 0.55)
    area = page.tab.locator(MAPS[0]).bounding_box()
    pictures = [page.run(SHOWN)]
    page.tab.mouse.move(area["x"] + 0.45 * area["width"], area["y"] + 0.55 * area["width"])
    page.tab.mouse.down()
    for across in (0.5, 0.55):
        page.tab.mouse.move(area["x"] + across * area["width"], area["y"] + 0.5 * area["width"])
        settle(page)
        pictures.append(page.run(SHOWN))
    page.tab.mouse.up()
    assert pictures[0] != pictures[1] != pictures[2]
    assert page.run(f"() => {PAIR}.views[0].camera") == [0, 0, 1]


def test_keys_decode_the_middle_and_move_the_cross(page):
    page.tab.locator(MAPS[0]).focus()
    page.tab.keyboard.press("Enter")
    settle(page)
    before = own_place(page)
    page.tab.keyboard.press("Shift+ArrowRight")
    settle(page)
    moved = own_place(page) - before
    assert moved == pytest.approx([0.02 * page.run(f"() => {PAIR}.views[0].side"), 0], abs=1e-6)


def test_the_button_decode_makes_every_drag_decode(page):
    page.tab.get_by_role("button", name="Decode").click()
    area = page.tab.locator(MAPS[1]).bounding_box()
    page.tab.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 0.2 * area["width"])
    page.tab.mouse.down()
    page.tab.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.5 * area["width"])
    page.tab.mouse.up()
    settle(page)
    assert page.seen(".place-box h5")[0].startswith("Decoded at the cross by vae")
    assert page.run(f"() => {PAIR}.views[1].camera") == [0, 0, 1]


def test_a_model_without_a_decoder_says_so_in_its_place(page):
    choose(page, 0, "pca · PCA")
    click(page, 0, 0.5, 0.5)
    assert page.seen(".place-box h5") == ["Nothing is decoded on the map of pca"]
    assert page.seen(".place-box p") == ["It has no decoder."]
    assert not page.tab.locator(".decoded").is_visible()


def test_the_place_survives_a_reload_and_leaves_with_its_map(page):
    click(page, 1, 0.6, 0.4)
    page.tab.wait_for_function("() => location.hash.includes('place')")
    before, picture = own_place(page), np.array(page.run(SHOWN))
    page.tab.reload()
    page.tab.wait_for_function("() => window.latentbench?.pairs?.[0]?.placePanel?.code")
    assert np.allclose(own_place(page), before, rtol=1e-3, atol=1e-3)
    assert abs(np.array(page.run(SHOWN)) - picture).max() <= 2 / 255
    choose(page, 1, "UMAP")
    assert page.tab.locator(".place-box").is_hidden()
    assert "place" not in page.run("() => location.hash")


def test_escape_and_clear_take_the_cross_away(page):
    hint = "Point at a dot to see it and its neighbors, click anywhere to decode that place; drag to move the map."
    assert page.seen(".item-box p") == [hint]
    page.tab.locator(MAPS[0]).focus()
    for leave in (lambda: page.tab.keyboard.press("Escape"), page.tab.get_by_role("button", name="Clear").click):
        click(page, 0, 0.45, 0.55)
        assert page.tab.locator(".place-box").is_visible()
        leave()
        settle(page)
        assert page.tab.locator(".place-box").is_hidden()
        assert page.run(f"() => {PAIR}.views[0].cross") is None


def test_ways_between_items_throw_shadows_on_pca_maps_alone(page, space):
    page.tab.get_by_label("show on the maps").check()
    settle(page)
    ways = page.run(f"() => {PAIR}.views.map((view) => view.ways)")
    assert ways[1] is None  # the studio decodes with ae, whose map is on the left
    codes = space("ae").codes.numpy()
    rows = item_rows(space("ae"))
    start, end = codes[rows[0]], codes[rows[len(rows) // 2]]
    plane = PlaneInverse(codes)
    line, arc, geodesic = ([*way["places"]] for way in ways[0])
    share = np.linspace(0, 1, 25)[:, None]
    assert np.allclose(line, plane.place(start + share * (end - start)), atol=1e-3)
    for way in (arc, geodesic):
        assert np.allclose([way[0], way[-1]], plane.place(np.stack([start, end])), atol=1e-3)
    assert not np.allclose(arc, line, atol=1e-2)
    assert page.seen("[data-part='on-maps-words']")[0].startswith("Solid: straight line; dashed: arc")
    choose(page, 0, "UMAP")
    assert page.run(f"() => {PAIR}.views[0].ways") is None
    assert page.seen("[data-part='on-maps-words']")[0].startswith("Neither map is the PCA map of this model")


def test_on_a_phone_the_picture_lies_in_the_free_corner_of_the_map(page):
    page.tab.set_viewport_size({"width": 390, "height": 800})
    settle(page)
    page.tab.locator(MAPS[0]).scroll_into_view_if_needed()
    click(page, 0, 0.7, 0.5)
    area, picture = (page.tab.locator(each).bounding_box() for each in (MAPS[0], ".decoded"))
    assert area["x"] <= picture["x"] < area["x"] + 20
    assert area["y"] <= picture["y"] < area["y"] + 20
    page.tab.set_viewport_size({"width": 1280, "height": 900})
