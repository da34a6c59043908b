"""What a reader does with the part that decodes, in a browser, from a file, without a network."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch

from latentbench.drawing.pictures import as_pictures
from latentbench.latent.paths.curves import slerp
from latentbench.latent.paths.interpolation import blend
from latentbench.report.page.decoding.content import OpenedModel, item_rows
from latentbench.report.page.scripts import page_scripts

ALLOWED = 1 / 255 + 1e-6
EVIL = "<script>alert(1)</script>"
PIXELS = """
name => {
  const canvas = document.querySelector(`[data-picture="${name}"] canvas`);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, place) => data[4 * place]);
}
"""
MIX = "([start, end, share]) => Array.from(LatentMixing.spherical(start, end, share))"


@pytest.fixture(scope="module")
def spaces(decoders, space_of):
    return {
        "ae": space_of(decoders["ae on 28 x 28"], (1, 28, 28)),
        "vae": space_of(decoders["vae on 28 x 28, dense"], (1, 28, 28)),
        EVIL: space_of(decoders["ae on 28 x 28"], (1, 28, 28)),
    }


@pytest.fixture(scope="module")
def address(spaces, section_of, page_file, tmp_path_factory):
    models = [OpenedModel(label, "seed 0", "amortized", space) for label, space in spaces.items()]
    return page_file(section_of(*models), tmp_path_factory.mktemp("pages") / "studio.html")


@pytest.fixture(scope="module")
def opened(page, address):
    page.goto(address)
    page.wait_for_selector("[data-ready]")
    return page


@pytest.fixture
def studio(opened, address):
    """The page in its first state; at the end nothing has gone wrong, and nothing but the file was asked for."""
    go_to(opened, "")
    opened.get_by_label("A", exact=True).check()
    yield opened
    assert opened.errors == []
    asked = {request.partition("#")[0] for request in opened.requests if not request.startswith("data:")}
    assert asked == {address}


def go_to(page, state):
    """Change the address as a reader does who follows a link to a state of the same page."""
    change = """state => new Promise(done => {
      addEventListener("hashchange", () => done(), { once: true });
      location.hash = new URLSearchParams({ decode: state, visit: String(Math.random()) });
    })"""
    page.evaluate(change, state)
    settle(page)


def set_slider(page, name, value):
    change = "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }"
    page.locator(f"[data-part='{name}']").evaluate(change, str(value))
    settle(page)


def settle(page):
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def shown(page, name):
    return np.array(page.evaluate(PIXELS, name)) / 255


def expected(space, code):
    return as_pictures(space.decode(code[None]), like=space.inputs).reshape(-1)


def same(one, other):
    return np.abs(one - other).max() <= ALLOWED


def code_of(space, item):
    return space.codes[item_rows(space)[item]]


def state(page):
    return json.loads(parse_qs(page.url.partition("#")[2])["decode"][0])


def state_of(page, name):
    page.wait_for_function("() => location.hash.includes('decode=')")
    page.wait_for_timeout(300)
    return state(page)[name]


def test_each_decoder_is_compared_with_its_pictures(studio):
    verdicts = studio.locator("[data-part='verdicts'] li").all_text_contents()
    assert len(verdicts) == 3
    assert verdicts[0].startswith("ae, seed 0: decoder verified, max difference 0.000")


def test_the_ends_of_a_way_are_the_reconstructions(studio, spaces):
    space = spaces["ae"]
    for share, item in ((0, 0), (1, 6)):
        set_slider(studio, "share", share)
        for path in ("linear", "spherical", "geodesic"):
            assert same(shown(studio, path), expected(space, code_of(space, item))), (share, path)
        fade = space.inputs[item_rows(space)[item]].flatten().numpy()
        for way in ("fade", "transport"):
            assert same(shown(studio, way), fade), way


def test_geodesic_and_transport_are_there_for_named_pairs_alone(studio, spaces):
    pairs = studio.locator("[data-part='pairs']")
    assert pairs.locator("button").all_text_contents()[1] == "item 9 (zero) to item 2 (two)"
    studio.locator("[data-part='items'] button").nth(2).click()
    settle(studio)
    assert "take long and were found for these pairs alone" in pairs.inner_text()
    assert studio.locator("[data-picture='geodesic']").is_hidden()
    assert studio.locator("[data-picture='transport']").is_hidden()
    pairs.locator("button").nth(2).click()
    set_slider(studio, "share", 0.5)
    assert (state_of(studio, "a"), state_of(studio, "b")) == (6, 11)
    half = np.array(shown(studio, "geodesic"))
    studio.locator("[data-part='items'] button").nth(11).click()
    studio.get_by_label("B", exact=True).check()
    studio.locator("[data-part='items'] button").nth(6).click()
    settle(studio)
    assert same(shown(studio, "geodesic"), half)  # from B to A it is the same way


def test_new_codes_are_drawn_by_a_seed_that_survives_a_reload(studio, spaces):
    first = shown(studio, "sample0")
    studio.click("[data-part='draw']")
    settle(studio)
    seen = [shown(studio, f"sample{place}") for place in range(8)]
    assert not same(seen[0], first)
    draw = "seed => [...LatentDraws.draws(JSON.parse(document.querySelector('script[type]').textContent)"
    code = studio.evaluate(f"{draw}.models[0].sampler, 6, seed, 8)[3]]", 1)
    assert same(seen[3], expected(spaces["ae"], torch.tensor(code)))
    words = studio.locator("[data-part='samples-words']").text_content()
    assert words == "Codes are drawn from a Gaussian fitted to 60 training items, as the model has no prior."
    studio.wait_for_url(lambda url: "seed%22%3A1" in url)
    studio.reload()
    studio.wait_for_selector("[data-ready]")
    assert all(same(shown(studio, f"sample{place}"), seen[place]) for place in range(8))


def test_between_the_ends_codes_are_mixed_and_decoded(studio, spaces):
    space = spaces["ae"]
    start, end = code_of(space, 0), code_of(space, 6)
    before = shown(studio, "linear")
    set_slider(studio, "share", 0.3)
    assert same(shown(studio, "linear"), expected(space, 0.7 * start + 0.3 * end))
    assert same(shown(studio, "spherical"), expected(space, slerp(start[None], end[None], 0.3)[0]))
    assert not same(shown(studio, "linear"), before)


def test_another_model_decodes_the_same_items(studio, spaces):
    studio.select_option("[data-part='model']", label="vae")
    set_slider(studio, "share", 0)
    assert same(shown(studio, "linear"), expected(spaces["vae"], code_of(spaces["vae"], 0)))


def test_items_are_chosen_by_their_pictures(studio, spaces):
    studio.locator("[data-part='items'] button").nth(5).click()
    studio.get_by_label("B", exact=True).check()
    studio.locator("[data-part='items'] button").nth(9).click()
    set_slider(studio, "share", 0)
    assert same(shown(studio, "linear"), expected(spaces["ae"], code_of(spaces["ae"], 5)))
    set_slider(studio, "share", 1)
    assert same(shown(studio, "linear"), expected(spaces["ae"], code_of(spaces["ae"], 9)))


def test_changes_form_a_chain_that_can_be_undone(studio, spaces):
    space = spaces["ae"]
    codes, labels = space.codes.double(), space.labels
    gap = (codes[labels == 2].mean(0) - codes[labels == 0].mean(0)).float()
    studio.select_option("[data-part='from']", label="zero")
    studio.select_option("[data-part='to']", label="two")
    set_slider(studio, "strength", 0.8)
    once = expected(space, code_of(space, 0) + 0.8 * gap)
    assert same(shown(studio, "edited"), once)
    studio.click("[data-part='keep']")
    settle(studio)
    assert studio.locator("[data-part='chain'] li").all_text_contents() == ["zero to two, strength 0.8 Remove"]
    set_slider(studio, "strength", 0.5)
    assert same(shown(studio, "edited"), expected(space, code_of(space, 0) + 1.3 * gap))
    studio.click("[data-part='keep']")
    studio.click("[data-part='undo']")
    settle(studio)
    assert same(shown(studio, "edited"), once)
    studio.get_by_role("button", name="Remove zero to two, strength 0.8").click()
    settle(studio)
    assert studio.locator("[data-part='chain'] li").count() == 0
    assert same(shown(studio, "edited"), expected(space, code_of(space, 0)))


def test_a_factor_changes_by_its_standard_deviation(studio, spaces):
    studio.select_option("[data-part='direction']", label="radius")
    set_slider(studio, "strength", 2)
    assert studio.locator("[data-part='strength-words']").text_content() == "radius + 2 standard deviations"
    assert studio.locator("[data-part='from-label']").is_hidden()
    assert not same(shown(studio, "edited"), shown(studio, "reconstruction"))


def test_a_dimension_moves_alone(studio, spaces):
    space = spaces["ae"]
    slider = studio.locator("[data-dimension]").first
    dimension = int(slider.get_attribute("data-dimension"))
    change = (
        "slider => { slider.value = slider.max; slider.dispatchEvent(new Event('input')); return slider.value; }"
    )
    value = float(slider.evaluate(change))
    settle(studio)
    code = code_of(space, 0).clone()
    assert value != code[dimension]
    code[dimension] = value
    assert same(shown(studio, "traversed"), expected(space, code))
    studio.click("[data-part='reset']")
    settle(studio)
    assert same(shown(studio, "traversed"), expected(space, code_of(space, 0)))


def test_the_pad_mixes_three_items_and_is_moved_by_keys(studio, spaces):
    space = spaces["ae"]
    corners = torch.stack([code_of(space, item) for item in (0, 6, 11)])
    middle = blend(space, corners, torch.full((1, 3), 1 / 3))[0]
    assert same(shown(studio, "blend"), expected(space, middle))
    studio.focus("[data-part='pad']")
    for _ in range(25):
        studio.keyboard.press("ArrowUp")
    settle(studio)
    assert same(shown(studio, "blend"), expected(space, corners[0]))
    assert "item 0 (zero) 100 %" in studio.locator("[data-part='pad-words']").text_content()


def test_the_pad_follows_a_pointer_and_takes_more_corners(studio, spaces):
    studio.get_by_label("a corner of the pad").check()
    studio.locator("[data-part='items'] button").nth(2).click()
    studio.locator("[data-part='pad']").scroll_into_view_if_needed()
    box = studio.locator("[data-part='pad']").bounding_box()
    studio.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    studio.mouse.down()
    studio.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)  # the fourth of four corners lies left
    studio.mouse.up()
    settle(studio)
    assert same(shown(studio, "blend"), expected(spaces["ae"], code_of(spaces["ae"], 2)))


def test_the_state_lies_in_the_address_beside_that_of_others(studio, spaces):
    studio.evaluate("location.hash = 'sort=r2'")
    studio.locator("[data-part='items'] button").nth(4).click()
    set_slider(studio, "share", 0.25)
    studio.wait_for_url(lambda url: "0.25" in url)
    assert "sort=r2" in studio.url
    seen = shown(studio, "linear")
    studio.reload()
    studio.wait_for_selector("[data-ready]")
    assert same(shown(studio, "linear"), seen)
    assert state(studio)["a"] == 4
    assert studio.locator("[data-part='share']").input_value() == "0.25"


@pytest.mark.parametrize(
    "given", ['{"a":-1,"b":1e9,"model":7,"share":9}', "[", "null", '{"corners":[1],"chain":[{"direction":99}]}']
)
def test_an_address_of_another_page_does_no_harm(studio, spaces, given):
    go_to(studio, given)
    set_slider(studio, "share", 0)
    assert same(shown(studio, "linear"), expected(spaces["ae"], code_of(spaces["ae"], 0)))


def test_a_code_far_from_all_others_is_named(studio):
    assert studio.locator("[data-part='walk-words'] .far").count() == 0
    step = {"direction": 0, "from": 0, "to": 1, "strength": 9}
    go_to(studio, json.dumps({"chain": [step] * 3}))
    assert studio.locator("[data-part='chain'] li").count() == 3
    words = studio.locator("[data-part='edit-words'] .far").text_content()
    assert words.startswith("This code lies farther from the mean than 99 % of the test codes")


def test_names_of_users_stay_text(studio):
    assert studio.locator("[data-part='model'] option").all_text_contents()[2] == EVIL
    assert studio.locator("script").count() == 1 + len(page_scripts())
    assert any(EVIL in words for words in studio.locator("[data-part='direction'] option").all_text_contents())


def test_every_control_can_be_reached_by_keys(studio):
    controls = studio.locator("select, input, button, canvas[tabindex]").count()
    studio.evaluate("document.body.tabIndex = -1; document.body.focus()")
    reached = set()
    for _ in range(controls + 5):
        studio.keyboard.press("Tab")
        reached.add(studio.evaluate("document.activeElement.dataset.part ?? document.activeElement.tagName"))
    assert {"model", "share", "direction", "from", "to", "strength", "keep", "reset", "pad"} <= reached


def test_a_decoder_that_computes_something_else_is_switched_off(page, spaces, section_of, page_file, tmp_path):
    models = [OpenedModel(label, "", "amortized", space) for label, space in spaces.items()]
    section = section_of(*models)
    data = json.loads(section.data)
    data["models"][0]["program"]["weights"] = data["models"][1]["program"]["weights"]
    data["models"][1]["program"]["operations"][0]["kind"] = "toString"
    data["models"][2]["edge"] = 0.5
    broken = type(section)(section.html, section.data_id, json.dumps(data).replace("<", "\\u003c"))
    page.goto(page_file(broken, tmp_path / "broken.html"))
    page.locator("[data-part='verdicts'] li.off").nth(2).wait_for()
    verdicts = page.locator("[data-part='verdicts'] li").all_text_contents()
    assert "decoding is off" in verdicts[0]
    assert verdicts[1] == "vae: decoding is off: the operation toString is unknown"
    assert "decoding is off: this browser computes other pictures, max difference" in verdicts[2]
    assert page.locator("[data-part='body']").is_hidden()


def test_shapes_are_dragged_from_one_to_another(page, decoders, space_of, section_of, page_file, tmp_path):
    space = space_of(decoders["narrow deepsdf"], (1, 64, 64), signed=True)
    section = section_of(OpenedModel("deepsdf", "", "optimized", space))
    assert len(section.data) < 300_000
    page.goto(page_file(section, tmp_path / "shapes.html"))
    page.wait_for_selector("[data-ready]")
    set_slider(page, "share", 0.4)
    code = 0.6 * code_of(space, 0) + 0.4 * code_of(space, 6)
    assert same(shown(page, "linear"), expected(space, code))
    assert "a search for what decodes to their pictures" in page.locator("[data-part='origin']").text_content()


def test_a_part_that_cannot_start_is_told_on_the_page(browser, spaces, section_of, page_file, tmp_path):
    section = section_of(OpenedModel("ae", "seed 0", "amortized", spaces["ae"]))
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(page_file(replace(section, data=section.data[:-1]), tmp_path / "broken.html"))
    page.wait_for_selector("#trouble p")
    assert page.locator("#trouble").text_content().startswith("Decoding cannot be shown here (")
    context.close()


def test_a_slow_coordinate_network_draws_a_quarter_while_it_moves(
    page, decoders, space_of, section_of, page_file, tmp_path
):
    space = space_of(decoders["deepsdf on 64 x 64"], (1, 64, 64), signed=True)
    page.goto(page_file(section_of(OpenedModel("deepsdf", "", "optimized", space)), tmp_path / "slow.html"))
    page.wait_for_selector("[data-ready]")
    assert "While a control moves, every second pixel" in page.locator("[data-part='origin']").text_content()
    code = 0.6 * code_of(space, 0) + 0.4 * code_of(space, 6)
    whole = expected(space, code).reshape(64, 64)
    move = """() => new Promise((done) => {
      const slider = document.querySelector("[data-part='share']");
      slider.value = 0.4;
      slider.dispatchEvent(new Event("input"));
      const width = () => done(document.querySelector("[data-picture='linear'] canvas").width);
      requestAnimationFrame(() => requestAnimationFrame(width));
    })"""
    assert page.evaluate(move) == 32
    part = shown(page, "linear")
    assert same(part, whole[::2, ::2].ravel())
    page.wait_for_function("() => document.querySelector(\"[data-picture='linear'] canvas\").width === 64")
    assert same(shown(page, "linear"), whole.ravel())


def test_a_decoder_that_mixes_pixels_is_not_drawn_in_part(
    page, decoders, space_of, section_of, page_file, tmp_path
):
    space = space_of(decoders["ae on 28 x 28"], (1, 28, 28))
    section = section_of(OpenedModel("ae", "", "amortized", space))
    page.goto(page_file(section, tmp_path / "mixing.html"))
    page.wait_for_selector("[data-ready]")
    tried = f"""() => {{
      const {{ models, opened, items }} = LatentOpening.decoders("{section.data_id}");
      return LatentCoarse.open({{ ...models[0], products: 1e9 }}, opened[0].picture, items.shape);
    }}"""
    assert page.evaluate(tried) is None
