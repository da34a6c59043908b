"""Make the pictures and the film of docs/report-page.md again: `python docs/make_page_pictures.py [RUN]`.

Opens the page of a finished run (`latentbench run`; default: results/digits-quick) in Debian's Chromium without a
network, as its readers do, and writes into docs/page: the first screen, the same on a phone, the maps on a dark
screen, and 20 seconds of the page in use. Needs the extra `test` and Debian's package chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).with_name("page")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SCREEN = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
FILM = {"width": 960, "height": 620}
MILLISECONDS = 200  # of a frame of the film
MAPS = "[data-pair] figure:nth-of-type({}) canvas.map"


def main() -> None:
    """Write all pictures."""
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "results/digits-quick")
    page = (run / "report.html").resolve()
    if not page.is_file():
        raise SystemExit(f"there is no {page}; `latentbench run` makes it")
    FOLDER.mkdir(exist_ok=True)
    for name, screen, scheme in (("screen", SCREEN, "light"), ("phone", PHONE, "light"), ("dark", SCREEN, "dark")):
        with opened(page, screen, scheme) as tab:
            if name == "dark":
                show_maps(tab)
            tab.screenshot(path=FOLDER / f"{name}.png")
    with opened(page, FILM, "light") as tab:
        frames = list(film(tab))
    first, *others = frames
    first.save(
        FOLDER / "film.webp",
        save_all=True,
        append_images=others,
        duration=MILLISECONDS,
        loop=0,
        quality=60,
        method=4,
    )
    print(f"{len(frames)} frames, {len(frames) * MILLISECONDS / 1000:.0f} seconds: {FOLDER}")


@contextmanager
def opened(page: Path, screen: dict[str, int], scheme: str) -> Iterator[Page]:
    """Open the page without a network."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        tab = browser.new_context(offline=True, viewport=screen, color_scheme=scheme).new_page()  # type: ignore[arg-type]
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-living=ready]")
        yield tab
        browser.close()


def show_maps(tab: Page) -> None:
    """Scroll to the two maps, and look at another model on the right one."""
    tab.locator("[data-pair]").first.evaluate("each => each.scrollIntoView()")
    tab.locator("[data-pair] select").nth(1).select_option(index=2)
    tab.wait_for_timeout(500)


def film(tab: Page) -> Iterator[Image.Image]:
    """Yield the frames of the page in use: table, maps, lasso, places decoded, move, a way between two items."""
    yield from shots(tab, 6)
    tab.locator("#tools-scores-1").evaluate("each => each.scrollIntoView()")
    yield from shots(tab, 4)
    tab.locator("#tools-scores-1").get_by_role("button", name="find", exact=True).click()
    yield from shots(tab, 6)
    tab.locator("[data-score=knn10] button.sort").first.click()
    yield from shots(tab, 8)
    show_maps(tab)
    yield from shots(tab, 6)
    yield from lasso(tab)
    tab.get_by_role("button", name="Clear").first.click()
    yield from decoded_places(tab)
    for share in steps(12):
        slide(tab, "[data-pair] input[type=range]", share)
        yield from shots(tab, 1)
    tab.locator(".studio [data-part=model]").first.select_option(index=2)
    tab.locator(".studio fieldset").nth(1).evaluate("each => each.scrollIntoView()")
    yield from shots(tab, 4)
    for share in steps(14):
        slide(tab, ".studio-way", share)
        yield from shots(tab, 1)


def lasso(tab: Page) -> Iterator[Image.Image]:
    """Draw around dots of the left map; the same are chosen on the right one."""
    left, top, width, height = map_box(tab)
    corners = [(0.25, 0.3), (0.55, 0.25), (0.6, 0.55), (0.35, 0.65), (0.22, 0.5)]
    points = [(left + x * width, top + y * height) for x, y in corners]
    tab.keyboard.down("Shift")
    tab.mouse.move(*points[0])
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*point, steps=4)
        yield from shots(tab, 2)
    tab.mouse.up()
    tab.keyboard.up("Shift")
    yield from shots(tab, 14)


def decoded_places(tab: Page) -> Iterator[Image.Image]:
    """Drag over the left map, which decodes the places on the way."""
    left, top, width, height = map_box(tab)
    tab.get_by_role("button", name="Decode").first.click()
    tab.mouse.move(left + 0.35 * width, top + 0.1 * height)
    tab.mouse.down()
    for share in steps(14):
        tab.mouse.move(left + (0.35 + 0.2 * share) * width, top + (0.1 + 0.7 * share) * height)
        yield from shots(tab, 1)
    tab.mouse.up()
    tab.wait_for_timeout(300)
    yield from shots(tab, 3)
    tab.get_by_role("button", name="Decode").first.click()


def map_box(tab: Page) -> list[float]:
    """Return where the left map lies: left, top, width and height."""
    corner = "each => { const box = each.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }"
    box: list[float] = tab.locator(MAPS.format(1)).first.evaluate(corner)
    return box


def slide(tab: Page, selector: str, share: float) -> None:
    """Move a slider to a share of its way."""
    move: Callable[..., object] = tab.locator(selector).first.evaluate
    move("(each, share) => { each.value = share; each.dispatchEvent(new Event('input')); }", share)


def steps(count: int) -> list[float]:
    """Return shares from 0 to 1."""
    return [place / (count - 1) for place in range(count)]


def shots(tab: Page, count: int) -> Iterator[Image.Image]:
    """Yield what is seen, so many frames of it."""
    tab.wait_for_timeout(60)
    seen = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    yield from [seen] * count


if __name__ == "__main__":
    main()
