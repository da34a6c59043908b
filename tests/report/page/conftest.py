"""A browser without a network, one for all tests, and pages that say what they asked for."""

import json
import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
MISSING = "Chromium is missing; install Debian's package chromium (apt-get install chromium)"
READBACK = "Canvas2D: Multiple readback"  # a warning that tests cause, which look at pixels
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Watched:
    """An open page, what it told the console, and what it asked for."""

    def __init__(self, tab, path):
        self.tab, self.path, self.troubles, self.requests = tab, path, [], []
        tab.on("console", lambda message: self.hear(message))
        tab.on("pageerror", lambda error: self.troubles.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))
        self.open()

    def hear(self, message):
        if message.type in ("error", "warning") and READBACK not in message.text:
            self.troubles.append(message.text)

    def open(self, chosen=""):
        """Open the page anew, with what an address chooses behind #."""
        self.tab.goto("about:blank")
        self.requests.clear()
        self.troubles.clear()
        self.tab.goto(self.path.as_uri() + chosen)
        self.tab.wait_for_selector("html[data-living=ready]")

    @property
    def asked_for(self):
        """Addresses other than those of the page's own content."""
        return [url for url in self.requests if not url.startswith(("data:", "blob:"))]

    def seen(self, selector):
        return [each.inner_text() for each in self.tab.locator(selector).all() if each.is_visible()]

    def run(self, text, value=None):
        return self.tab.evaluate(text, value)

    def data(self, selector):
        return json.loads(self.tab.locator(selector).text_content())


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def watch(browser):
    """Open a page in a context without a network."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield lambda path: Watched(context.new_page(), Path(path))
    context.close()
