"""The table of the page in a browser: sorting, purposes, CSV, the address, the keyboard."""

import csv
import re

import pytest

from latentbench.report.page.scripts import PARTS, page_scripts, security_policy
from latentbench.report.page.write import write_report

EVIL = "<script>alert('x')</script>"
TABLE = "table[data-state=scores-1]"


@pytest.fixture(scope="module")
def shown(watch, made_up, seen, tmp_path_factory):
    build = made_up().add('=cmd|" /C calc"!A0', {"r2": 0.5}).add(EVIL, {"r2": 0.6})
    build.add("near", {"slope": 1.3}, better="near:1", seeds=3).add(
        "nearer", {"slope": 0.9}, better="near:1", seeds=3
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    results = seen(build.results())
    results.spaces = dict.fromkeys(results.spaces, next(iter(results.spaces.values())))
    return watch(write_report(results, [], path))


@pytest.fixture
def page(shown):
    shown.open()
    return shown


def models(page):
    return page.run(
        f"() => [...document.querySelectorAll('{TABLE} thead [data-model]')].map((each) => each.dataset.label)"
    )


def values(page, score):
    row = page.tab.locator(f"{TABLE} tr[data-score={score}] [data-model]")
    return [cell.get_attribute("data-value") for cell in row.all()]


def there(page, score):
    return [float(value) for value in values(page, score) if value is not None]


def sort(page, score):
    page.tab.locator(f"{TABLE} tr[data-score={score}] .sort").click()


def test_runs_no_text_and_tells_no_error(page):
    assert page.troubles == []
    assert page.asked_for == [page.path.as_uri()]
    attempt = "done => { try { done(eval('1')) } catch (error) { done(error.name) } }"
    assert page.run(f"() => new Promise((done) => setTimeout({attempt}, 0, done))") == "EvalError"
    page.troubles.clear()


def test_the_policy_names_each_script_and_no_other():
    scripts = page_scripts()
    policy = security_policy(scripts)
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]
    assert policy.count("'sha256-") == len(scripts) == len(PARTS)
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("script", page_scripts(), ids=lambda script: script.name)
def test_a_script_writes_text_never_markup_and_evaluates_none(script):
    markup = r"</script|<!--|innerHTML|outerHTML|insertAdjacentHTML|document\.write"
    assert re.findall(rf"{markup}|\beval\b|\bFunction\(|\bfetch\b|XMLHttp", script.text) == []
    assert script.text.startswith('"use strict";\n// ')
    assert len(script.text.splitlines()) <= 250


def test_a_click_on_a_score_sorts_the_models_best_first_then_worst_then_not(page):
    before = models(page)
    sort(page, "r2")
    up = there(page, "r2")
    assert up == sorted(up, reverse=True)
    assert models(page)[0] == "pixels"
    sort(page, "r2")
    assert models(page) != before
    down = there(page, "r2")
    assert down == sorted(down)
    sort(page, "r2")
    assert models(page) == before


def test_models_without_a_value_come_last_and_fewer_are_better_where_less_is(page):
    sort(page, "walk_kd")
    shown, measured = values(page, "walk_kd"), there(page, "walk_kd")
    assert measured == sorted(measured)
    assert measured[0] == pytest.approx(0.62)
    assert shown[len(measured) :] == [None] * (len(shown) - len(measured))
    assert len(measured) < len(shown)


def test_near_a_goal_is_better(page):
    sort(page, "slope")
    assert models(page)[:2] == ["nearer", "near"]


def test_headings_and_cells_move_together(page):
    label = dict(zip(models(page), values(page, "r2"), strict=True))
    sort(page, "ari")
    assert dict(zip(models(page), values(page, "r2"), strict=True)) == label


def test_buttons_leave_the_scores_of_one_purpose(page):
    page.tab.locator("#tools-scores-1 button[value=walk]").click()
    assert [text.split()[0] for text in page.seen(f"{TABLE} tbody th")] == ["walk_kd"]
    assert page.tab.locator("#tools-scores-1 [aria-pressed=true]").inner_text() == "walk"


def test_what_is_chosen_stands_in_the_address_and_survives_a_reload(page):
    sort(page, "walk_kd")
    page.tab.locator("#tools-scores-1 button[value=walk]").click()
    chosen = models(page)
    page.tab.reload()
    page.tab.wait_for_selector("html[data-living=ready]")
    assert models(page) == chosen
    assert [text.split()[0] for text in page.seen(f"{TABLE} tbody th")] == ["walk_kd"]


@pytest.mark.parametrize(
    "chosen", ["#scores-1.sort=best:nonsense&scores-1.for=%3Cb%3E", "#%", "#scores-1.sort=__proto__:r2"]
)
def test_a_strange_address_changes_nothing(page, chosen):
    before = models(page)
    page.open(chosen)
    assert models(page) == before
    assert page.troubles == []
    assert not page.tab.locator("#trouble").is_visible()


def test_the_csv_holds_what_is_seen_and_no_formulas(page):
    sort(page, "r2")
    with page.tab.expect_download() as download:
        page.tab.locator("#tools-scores-1 .csv").click()
    with download.value.path().open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    names = rows[0][6:-1]
    assert rows[0][:6] == ["for", "score", "better", "unit", "floor", "ceiling"]
    assert '\'=cmd|" /C calc"!A0' in names
    assert EVIL in names
    assert [name.removeprefix("'") for name in names] == models(page)
    r2 = next(row for row in rows if row[1] == "r2")
    assert [float(value) for value in r2[6:-1] if value] == there(page, "r2")


def test_sorting_needs_no_mouse(page):
    page.tab.locator(f"{TABLE} tr[data-score=r2] .sort").focus()
    page.tab.keyboard.press("Enter")
    assert models(page)[0] == "pixels"
    assert page.tab.locator(f"{TABLE} th[aria-sort]").count() == 1


def test_the_first_columns_stay_while_the_table_scrolls(page):
    page.tab.set_viewport_size({"width": 700, "height": 900})
    heading = page.tab.locator(f"{TABLE} tr[data-score=r2] th")
    before = heading.bounding_box()["x"]
    page.run(f"() => {{ document.querySelector('{TABLE}').parentElement.scrollLeft = 200 }}")
    after = heading.bounding_box()["x"]
    page.tab.set_viewport_size({"width": 1280, "height": 900})
    assert 0 < after <= before


def test_a_part_that_fails_costs_no_other_and_is_told(page):
    page.run("() => latentbench.guarded('Dancing', () => { throw new Error('no feet <b>') })")
    assert page.seen("#trouble") == ["Dancing cannot be shown here (no feet <b>)."]
    assert len(page.troubles) == 1
    page.troubles.clear()
