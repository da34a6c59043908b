"""The page as a whole in a browser: its first screen, its contents, its table on a phone, and on paper."""

import pytest


@pytest.fixture(scope="module")
def shown(watch, whole_page):
    return watch(whole_page)


@pytest.fixture
def page(shown):
    shown.tab.set_viewport_size({"width": 1280, "height": 800})
    shown.tab.emulate_media(media="screen")
    shown.open()
    return shown


def top(page, selector):
    return page.tab.locator(selector).first.bounding_box()["y"]


def wide(page):
    return page.run("() => document.documentElement.scrollWidth")


def test_the_first_screen_shows_title_sentences_strip_and_the_top_of_the_maps(page):
    tops = [top(page, selector) for selector in ("h1", ".say", ".first-strip", "[data-pair] canvas.map")]
    assert tops == sorted(tops)
    assert tops[-1] < 800
    assert wide(page) == 1280


def test_all_scores_can_be_read_without_moving_the_page(page):
    page.run("() => document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert wide(page) == 1280
    inner = "each => [each.scrollWidth, each.clientWidth]"
    for name in ("scores-1", "all-scores-1"):
        needed, there = page.tab.locator(f".scroll:has(> [data-state={name}])").evaluate(inner)
        assert needed == there


def test_links_lead_to_a_part_open_it_and_keep_what_is_chosen(page):
    page.tab.locator("#tools-scores-1 button[value=walk]").click()
    page.tab.locator('nav a[href="#card-1"]').click()
    assert "scores-1.for=walk" in page.run("() => location.hash")
    assert page.run("() => document.getElementById('card-1').open")
    assert page.run("() => document.activeElement.id") == "card-1"
    page.tab.locator('nav a[href="#table-1"]').focus()
    page.tab.keyboard.press("Enter")
    assert 0 <= top(page, "#table-1") < 100


def heading_name(page):
    return page.tab.locator("[data-state=scores-1] tr[data-score=r2] .score-name").element_handle()


def test_on_a_phone_scores_keep_their_names_and_nothing_moves_sideways(page):
    page.tab.set_viewport_size({"width": 390, "height": 844})
    assert wide(page) == 390
    heading = page.tab.locator("[data-state=scores-1] tr[data-score=r2] th")
    page.run("() => { document.querySelector('[data-state=scores-1]').parentElement.scrollLeft = 150 }")
    assert heading.bounding_box()["x"] == pytest.approx(16, abs=1)
    assert page.run("each => getComputedStyle(each, '::before').content", heading_name(page)) == '"↑ "'


def test_paper_shows_whole_tables_and_nothing_to_click_on(page):
    folded = page.tab.locator("details:not([open])").count()
    page.tab.set_viewport_size({"width": 1030, "height": 720})
    page.tab.emulate_media(media="print", color_scheme="dark")
    page.run("() => dispatchEvent(new Event('beforeprint'))")
    for selector in ("nav", ".tools", ".studio", ".beside", ".classes button"):
        assert page.seen(selector) == []
    assert page.seen("[data-state=all-scores-1] tbody th")
    assert page.seen(".card th")
    assert wide(page) == 1030
    assert page.run("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.run("() => dispatchEvent(new Event('afterprint'))")
    assert page.tab.locator("details:not([open])").count() == folded
    page.tab.emulate_media(media="screen", color_scheme="light")


def test_charts_are_whole_and_focus_is_seen(page):
    for size in (1280, 700):
        page.tab.set_viewport_size({"width": size, "height": 800})
        boxes = [each.bounding_box() for each in page.tab.locator(".figure img").all()]
        assert boxes
        assert all(box["x"] + box["width"] <= size for box in boxes)
    page.tab.locator("nav a").first.focus()
    page.tab.keyboard.press("Tab")
    outline = page.run("() => getComputedStyle(document.activeElement).outline")
    assert "2px" in outline
