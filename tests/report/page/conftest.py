"""Pages without a network, that say what they asked for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import latentbench
from latentbench.latent.maps.projection import Map
from latentbench.report.charts.plots import plots
from latentbench.report.page import pictures
from latentbench.report.page.write import write_report

EVIL = "<script>alert('x')</script>"
CLASS_NAMES = ("<img src=x>", "one", "two", "three", "four", "five", "six", "seven", "eight", "=nine")
READBACK = "Canvas2D: Multiple readback"  # a warning that tests cause, which look at pixels


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
def whole_run(made_up, seen):
    """A made-up run of which one trial failed."""
    return seen(made_up().fail("ae", 0, message="out of memory").results())


@pytest.fixture(scope="session")
def whole_page(whole_run, tmp_path_factory):
    """The page of that run with all charts and a section of a plugin; the path of the file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(whole_run, [("Mine", pd.DataFrame({"a": [1]}))], path, plots(whole_run))


@pytest.fixture(scope="module")
def watch(browser):
    """Open a page in a context without a network."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield lambda path: Watched(context.new_page(), Path(path))
    context.close()


@pytest.fixture(scope="module")
def map_tab(watch, map_report):
    """The page with two maps, opened once for a file of tests."""
    return watch(map_report)


@pytest.fixture
def map_page(map_tab):
    """That page opened anew, both maps drawn."""
    map_tab.open()
    map_tab.tab.locator("[data-pair] canvas.map").first.scroll_into_view_if_needed()
    map_tab.tab.wait_for_function("() => latentbench.pairs[0].views.every((view) => view.frames > 0)")
    return map_tab


@pytest.fixture(scope="session")
def map_results(made_up, seen):
    """A run whose page shows two maps; pca has no decoder, and a model's name is markup."""
    results = seen(made_up().add(EVIL, {"r2": 0.6}).results())
    results.spaces = {key: space.replaced(class_names=CLASS_NAMES) for key, space in results.spaces.items()}
    (pca,) = (trial.key for trial in results.trials if trial.label == "pca")
    flat = results.spaces[pca]
    results.spaces[pca] = latentbench.LatentSpace.from_arrays(codes=flat.codes**3, labels=flat.labels).replaced(
        class_names=CLASS_NAMES
    )
    rng = np.random.default_rng(0)
    results.per_item = {(key, "mse"): rng.gamma(2, size=1797) for key in results.spaces}
    return results


@pytest.fixture(scope="session")
def map_report(map_results, tmp_path_factory):
    """The page of that run; its median trials keep a map that is no plane, with places of 1,500 of 1,797 items."""
    spaces = {trial.key: map_results.spaces[trial.key] for trial in map_results.trials}
    medians = {
        pictures.median_trial(map_results, "fashion_mnist", label).key for label in ("ae", "vae", "beta_vae(4)")
    }

    def bent(record):
        if record.key not in medians:
            return []
        places = np.tanh(spaces[record.key].codes[:1500, :2].numpy() * 2) * 7
        return [Map("umap", 0, np.arange(1500), places, {}, 1.0, "made up", {"trustworthiness": 0.9})]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "stored_maps", bent)
        return write_report(map_results, [], tmp_path_factory.mktemp("page") / "report.html")
