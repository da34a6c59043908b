"""The two linked maps of the page in a browser."""

import numpy as np
import pytest

from latentbench.latent.maps.procrustes import align, disparity
from latentbench.report.page.pictures import median_trial

PAIR = "latentbench.pairs[0]"
EVIL = "<script>alert('x')</script>"
CLASS_NAMES = ("<img src=x>", "one", "two", "three", "four", "five", "six", "seven", "eight", "=nine")
LEFT, RIGHT = (f"[data-pair] figure:nth-of-type({place}) canvas.map" for place in (1, 2))


@pytest.fixture(scope="module")
def results(map_results):
    return map_results


@pytest.fixture
def page(map_page):
    return map_page


def box(page, canvas):
    area = page.tab.locator(canvas).bounding_box()
    return area["x"], area["y"], area["width"]


def drag(page, canvas, shares, key=None):
    x, y, side = box(page, canvas)
    points = [(x + side * across, y + side * down) for across, down in shares]
    if key:
        page.tab.keyboard.down(key)
    page.tab.mouse.move(*points[0])
    page.tab.mouse.down()
    for point in points[1:]:
        page.tab.mouse.move(*point)
    page.tab.mouse.up()
    if key:
        page.tab.keyboard.up(key)


def selected(page, side):
    return page.run(f"() => [...({PAIR}.views[{side}].selected ?? [])].flatMap((on, item) => (on ? [item] : []))")


def pixels(page, side):
    return np.array(page.run(f"() => {{ {PAIR}.views[{side}].draw(); return [...{PAIR}.views[{side}].pixels] }}"))


def choose(page, control, words):
    page.tab.locator("[data-pair] select").nth(control).select_option(label=words)


def test_tells_no_error_and_asks_for_nothing(page):
    page.run(f"() => {PAIR}.point(3)")
    page.tab.wait_for_timeout(100)
    assert page.troubles == []
    assert page.asked_for == [page.path.as_uri()]


def test_a_lasso_on_the_left_selects_the_same_items_on_the_right(page):
    corners = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.6), (0.3, 0.6)]
    drag(page, LEFT, corners, key="Shift")
    left = selected(page, 0)
    side = page.run(f"() => {PAIR}.views[0].canvas.width")
    x, y = pixels(page, 0).reshape(-1, 2).T / side
    inside = np.flatnonzero((x > 0.3) & (x < 0.7) & (y > 0.3) & (y < 0.6))
    assert len(set(left) ^ set(inside.tolist())) <= 0.02 * len(inside)  # a pointer stands on whole pixels
    assert 100 < len(left) < 1700
    assert selected(page, 1) == left
    assert page.seen(".selection-box h5") == [f"{len(left):,} of 1,797 items selected"]
    assert sum(int(text) for text in page.seen(".counts b")) == len(left)
    assert page.tab.locator(".selection-box .thumbnail").count() == 60
    drag(page, RIGHT, [(0.01, 0.01), (0.02, 0.01), (0.02, 0.02)], key="Shift")
    assert selected(page, 0) == selected(page, 1) == []


def test_the_button_lasso_makes_every_drag_a_lasso(page):
    page.tab.get_by_role("button", name="Lasso").click()
    drag(page, RIGHT, [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)])
    assert selected(page, 0) == selected(page, 1) != []
    page.tab.get_by_role("button", name="Clear").click()
    assert selected(page, 1) == []


def test_dragging_moves_one_map(page):
    before = [pixels(page, side) for side in (0, 1)]
    drag(page, LEFT, [(0.5, 0.5), (0.55, 0.5), (0.6, 0.6)])
    moved = pixels(page, 0) - before[0]
    side = page.run(f"() => {PAIR}.views[0].canvas.width")
    assert np.allclose(moved.reshape(-1, 2), 0.1 * side, atol=2)
    assert (pixels(page, 1) == before[1]).all()


def test_the_wheel_zooms_at_the_pointer_and_only_where_the_map_has_the_focus(page):
    x, y, side = box(page, LEFT)
    page.tab.mouse.move(x + side * 0.3, y + side * 0.4)
    page.tab.mouse.wheel(0, 1)
    assert page.run(f"() => {PAIR}.views[0].camera") == [0, 0, 1]
    page.tab.locator(LEFT).focus()
    x, y, side = box(page, LEFT)
    page.tab.mouse.move(x + side * 0.3, y + side * 0.4)
    place = f"() => {PAIR}.views[0].placeAt({side * 0.3}, {side * 0.4})"
    before = page.run(place)
    page.tab.mouse.wheel(0, -300)
    page.tab.wait_for_function(f"() => {PAIR}.views[0].camera[2] > 2.5")
    assert page.run(place) == pytest.approx(before, abs=0.05)


def test_keys_move_zoom_reset_and_step(page):
    page.tab.locator(LEFT).focus()
    for key in ("ArrowLeft", "+"):
        page.tab.keyboard.press(key)
    assert page.run(f"() => {PAIR}.views[0].camera") == pytest.approx([-0.1, 0, 1.25])
    page.tab.keyboard.press("0")
    assert page.run(f"() => {PAIR}.views[0].camera") == [0, 0, 1]
    page.tab.keyboard.press(".")
    page.tab.keyboard.press(".")
    assert page.seen(".item-box > figure figcaption") == ["item 1 (one)"]
    page.tab.keyboard.press("Escape")
    assert selected(page, 0) == []


def test_pointing_at_a_dot_shows_its_name_its_picture_and_its_neighbors_in_both_spaces(page, results):
    at = pixels(page, 0).reshape(-1, 2)[700] / page.run(f"() => {PAIR}.views[0].canvas.width")
    x, y, side = box(page, LEFT)
    item = page.run(f"([x, y]) => {PAIR}.views[0].itemAt(x, y)", (at * side).tolist())
    page.tab.mouse.move(x + side * at[0], y + side * at[1])
    page.tab.wait_for_selector(".item-box .item")
    assert page.run(f"() => {PAIR}.picked") == item
    ae, vae = (next(trial for trial in results.trials if trial.label == label) for label in ("ae", "vae"))
    rows = page.tab.locator(".item-box .items").all()
    for trial, row in zip((ae, vae), rows, strict=True):
        codes = results.spaces[trial.key].codes.numpy().astype(float)
        nearest = np.argsort(((codes - codes[item]) ** 2).sum(1))[1:11]
        assert [int(text) for text in row.locator("figcaption").all_inner_texts()] == nearest.tolist()
    assert page.run(f"() => {PAIR}.views.map((view) => view.rings.length)") == [11, 11]
    assert page.tab.locator(".item-box .thumbnail").count() == 21


def test_thumbnails_show_the_items(page, results):
    page.run(f"() => {PAIR}.point(42)")
    painted = "() => { const c = document.querySelector('.item-box .thumbnail');"
    painted += " return [...c.getContext('2d').getImageData(0, 0, 8, 8).data] }"
    page.tab.wait_for_function(f"{painted.removesuffix(' }')}.some((value) => value > 0 && value < 255) }}")
    gray = np.array(page.run(painted)).reshape(8, 8, 4)[..., 0]
    image = next(iter(results.spaces.values())).inputs[42, 0].numpy() * 255
    assert abs(gray - image).max() <= 1


def test_the_maps_are_aligned_as_procrustes_says(page):
    rng = np.random.default_rng(1)
    goal = rng.normal(size=(50, 2))
    for turn in ([[0, 1], [-1, 0]], [[1, 0], [0, -1]]):
        places = goal @ np.array(turn) * 3 + 5 + rng.normal(size=(50, 2))
        call = "(both) => { const { places, disparity } ="
        call += " latentbench.align(...both.map((each) => Float32Array.from(each)));"
        both = [places.ravel().tolist(), goal.ravel().tolist()]
        moved, left = page.run(call + " return [[...places], disparity] }", both)
        assert np.allclose(np.reshape(moved, (-1, 2)), align(places, goal), atol=1e-5)
        assert left == pytest.approx(disparity(places, goal), abs=1e-5)


def test_the_left_map_moves_to_the_right_one_and_back(page):
    choose(page, 1, "pca · PCA")
    end = np.array(page.run(f"() => [...{PAIR}.end]"))
    start = np.array(page.run(f"() => [...{PAIR}.start]"))
    assert abs(end - start).max() > 0.5
    page.tab.get_by_role("button", name="Left → right").click()
    page.tab.wait_for_function(f"() => {PAIR}.views[0].places.every((each, at) => each === {PAIR}.end[at])")
    page.tab.locator("[data-pair] input[type=range]").fill("0.5")
    assert np.allclose(page.run(f"() => [...{PAIR}.views[0].places]"), (start + end) / 2, atol=1e-5)


def test_colors_are_classes_scores_or_shared_neighbors(page, results):
    assert page.tab.locator(".legend-box button").all_inner_texts() == list(CLASS_NAMES)
    choose(page, 2, "reconstruction error (mse)")
    used = page.run(f"() => [...{PAIR}.views[1].coloring.of]")
    vae = median_trial(results, "fashion_mnist", "vae")
    values = results.per_item[vae.key, "mse"]
    low, high = np.argsort(values)[[0, -1]]
    assert (used[low], used[high]) == (0, 63)
    choose(page, 2, "neighbors shared by both spaces")
    assert page.run(f"() => [...{PAIR}.near].every((share) => share >= 0 && share <= 1)")
    said = page.seen(".verdict")[0]
    assert "% are the same in ae, seed 0 and vae, seed" in said


def test_a_word_finds_a_class_and_a_number_an_item(page):
    find = page.tab.get_by_placeholder("class or item number")
    find.fill("seven")
    names = page.run(f"() => [...new Set({PAIR}.selected.map((item) => {PAIR}.items.className(item)))]")
    assert names == ["seven"]
    find.fill("42")
    assert page.run(f"() => {PAIR}.selected.map((item) => {PAIR}.items.rows[item])") == [42]
    page.tab.get_by_role("button", name="one", exact=True).click()
    assert len(selected(page, 1)) > 100
    page.tab.get_by_role("button", name="Clear").click()
    assert (selected(page, 0), find.input_value()) == ([], "")
    assert "find" not in page.run("() => location.hash")


def test_names_of_users_stay_text(page):
    page.tab.get_by_title(f"Select {CLASS_NAMES[0]}").click()
    choose(page, 0, f"{EVIL}, seed 0 · PCA")
    page.run(f"() => {PAIR}.point(0)")
    assert EVIL in page.tab.locator(".item-box").inner_text()
    assert page.tab.locator("[data-pair] script").count() == 0
    assert page.troubles == []


def test_what_is_chosen_survives_a_reload(page):
    choose(page, 0, "pca · PCA")
    choose(page, 2, "neighbors shared by both spaces")
    page.tab.get_by_placeholder("class or item number").fill("two")
    drag(page, RIGHT, [(0.5, 0.5), (0.6, 0.5)])
    page.tab.wait_for_function("() => location.hash.includes('view1')")
    lists = "[...document.querySelectorAll('[data-pair] select')].map((list) => list.value)"
    asked = f"() => {lists}.concat({PAIR}.selected)"
    before, camera = page.run(asked), page.run(f"() => {PAIR}.views[1].camera")
    reload(page)
    assert page.run(asked) == before
    assert page.run(f"() => {PAIR}.views[1].camera") == pytest.approx(camera, abs=1e-3)


def reload(page):
    page.tab.reload()
    page.tab.wait_for_selector("html[data-living=ready]")


def test_a_lasso_a_pressed_button_the_way_and_an_item_survive_a_reload(page):
    drag(page, LEFT, [(0.3, 0.3), (0.7, 0.3), (0.7, 0.6), (0.3, 0.6)], key="Shift")
    page.tab.get_by_role("button", name="Decode").click()
    page.tab.locator(LEFT).focus()
    page.tab.keyboard.press(".")
    slider = page.tab.locator("[data-pair] input[type=range]")
    slider.fill("0.4")
    slider.dispatch_event("change")
    asked = f"() => (({{ selected, mode, share, picked }}) => [selected, mode, share, picked])({PAIR})"
    before = page.run(asked)
    assert len(before[0]) > 100
    assert len(page.run("() => location.hash")) < 400 + 1797 / 6
    reload(page)
    assert page.run(asked) == before
    assert page.tab.get_by_role("button", name="Decode").get_attribute("aria-pressed") == "true"
    page.tab.get_by_role("button", name="Clear").click()
    reload(page)
    assert selected(page, 0) == []


def test_sets_of_items_are_short_texts_and_come_back(page):
    rng = np.random.default_rng(0)
    sets = [[], [0], [69_999], list(range(300)), list(range(0, 70_000, 2))]
    sets += [sorted(rng.choice(70_000, size, replace=False).tolist()) for size in (2, 3, 4, 500, 30_000)]
    both = "(sets) => sets.map((items) => { const text = latentbench.itemSets.written(items);"
    both += " return [text.length, latentbench.itemSets.read(text, 70000)] })"
    for items, (length, read) in zip(sets, page.run(both, sets), strict=True):
        assert read == items
        assert length <= min(1 + 4 * len(items), 70_000 / 6 + 4)
    assert (
        page.run("() => latentbench.itemSets.written([...Array(80000).keys()].filter((each) => each % 3))") == ""
    )
    assert (
        page.run("() => ['g', 'x12', 'b%%', 'g____'].map((text) => latentbench.itemSets.read(text, 5))")
        == [[]] * 4
    )


def touch(page, steps):
    """Put fingers on the left map, move them, and lift them: (type, finger, x, y) in shares of the side."""
    page.run(
        f"""(steps) => {{
          const {{ canvas }} = {PAIR}.views[0];
          canvas.setPointerCapture = () => {{}};
          const {{ left, top, width }} = canvas.getBoundingClientRect();
          for (const [type, pointerId, x, y] of steps) {{
            const at = {{ clientX: left + x * width, clientY: top + y * width, pointerType: "touch" }};
            canvas.dispatchEvent(new PointerEvent(type, {{ pointerId, bubbles: true, ...at }}));
          }}
        }}""",
        steps,
    )


def test_two_fingers_zoom_where_they_are(page):
    _, _, side = box(page, LEFT)
    middle = f"() => {PAIR}.views[0].placeAt({0.4 * side}, {0.5 * side})"
    before = page.run(middle)
    fingers = [("pointerdown", 1, 0.3, 0.5), ("pointerdown", 2, 0.5, 0.5)]
    touch(page, [*fingers, ("pointermove", 1, 0.2, 0.5), ("pointermove", 2, 0.6, 0.5)])
    assert page.run(f"() => {PAIR}.views[0].camera[2]") == pytest.approx(2, rel=0.01)
    assert page.run(middle) == pytest.approx(before, abs=0.03)
    touch(page, [("pointerup", 1, 0.2, 0.5), ("pointermove", 2, 0.9, 0.9), ("pointerup", 2, 0.9, 0.9)])
    assert page.run(f"() => {PAIR}.views[0].camera[2]") == pytest.approx(2, rel=0.01)
    assert page.run(f"() => {PAIR}.placePanel.at ?? null") is None
    touch(page, [("pointerdown", 3, 0.5, 0.5), ("pointermove", 3, 0.6, 0.5), ("pointerup", 3, 0.6, 0.5)])
    assert page.run(middle) != pytest.approx(before, abs=0.03)


def test_the_tab_key_reaches_every_control(page):
    controls = "a, button, select, input, canvas.map, summary, [tabindex='0']"
    usable = "each.checkVisibility() && !each.disabled && (each.type !== 'radio' || each.checked)"
    number = f'() => [...document.querySelectorAll("{controls}")].filter((each) => {usable})'
    expected = page.run(f"{number}.map((each, place) => (each.dataset.place = place))")
    reached = []
    page.run("() => document.activeElement.blur()")
    for _ in range(len(expected) + 3):
        page.tab.keyboard.press("Tab")
        reached.append(page.run("() => document.activeElement.dataset.place ?? ''"))
    assert {int(place) for place in reached if place} == set(expected)


def test_it_is_dark_on_a_dark_screen_and_light_on_paper(page):
    corner = (
        f"() => {{ const v = {PAIR}.views[0]; v.draw(); return [...v.context.getImageData(0, 0, 1, 1).data] }}"
    )
    assert page.run(corner)[0] > 240
    page.tab.emulate_media(color_scheme="dark")
    assert page.run(corner)[0] < 40
    page.run(f"() => {PAIR}.print(true)")
    assert page.run(corner) == [255, 255, 255, 255]
    page.run(f"() => {PAIR}.print(false)")
    page.tab.emulate_media(color_scheme="light")


def test_decoding_begins_with_a_model_that_is_compared(page):
    (model,) = page.run(
        "() => [...document.querySelector('[data-part=model]').selectedOptions].map((each) => each.text)"
    )
    assert model == "ae"


def test_a_phone_has_one_column(page):
    page.tab.set_viewport_size({"width": 390, "height": 800})
    assert box(page, LEFT)[0] == box(page, RIGHT)[0]
    assert page.run("() => document.documentElement.scrollWidth") <= 390
    page.tab.set_viewport_size({"width": 1280, "height": 900})
