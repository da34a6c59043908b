"""The order of the page, its contents, several runs, and pages of runs that lack something."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import latentbench
from latentbench.report.charts.plots import plots
from latentbench.report.page.parts import dataset_parts
from latentbench.report.page.write import ReportedRun, write_report, write_reports

EVIL = "<script>alert('x')</script>"
ESCAPE = "\x1b[31m=1+1"
VOID = {"meta", "img", "link", "br", "input", "hr", "wbr"}


class Outline(HTMLParser):
    """Insists that tags nest, and keeps the ids in their order."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.ids, self.links = [], [], []
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named["href"]] if "href" in named else []
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


@pytest.fixture(scope="module")
def page(whole_page):
    return whole_page.read_text()


def test_the_page_keeps_its_order(page):
    marks = (
        "<h1>", 'class="say"', 'class="alarm"',
        "first-strip\"><caption>", 'data-pair="maps-1"', 'data-state="scores-1"',
        'class="missing"', 'data-state="all-scores-1"', ">Decoding</h3>", ">Traversals</h3>", "All maps as still",
        ">Cost and quality</h3>", ">Mine</h2>", "Run card: how", "Everything that is recorded",
    )  # fmt: skip
    places = [page.index(mark) for mark in marks]
    assert places == sorted(places)


def test_failures_and_what_does_not_apply_stand_one_click_beside_the_table(page):
    summary = re.search(r'class="missing"><summary>(.*?)</summary>', page)[1]
    assert re.fullmatch(r"1 trial failed, \d+ scores not applicable to some model: why", summary)
    assert "<td>out of memory</td>" in page
    assert re.search(r"<li>1 of \d+ trials gave no result \(ae\)\.</li>", page)


def test_the_contents_lead_to_every_part_and_to_sections_of_plugins(page):
    outline = Outline(page)
    assert outline.links == [
        "#maps-1",
        "#table-1",
        "#decoding-1",
        "#pictures-1",
        "#charts-1",
        "#section-1",
        "#card-1",
    ]
    assert {link[1:] for link in outline.links} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_few_test_items_are_a_note_and_no_red_box(builder, seen, tmp_path):
    builder.add("ae", {"r2": 0.8}, n_eval=100, seeds=2).add("vae", {"r2": 0.7}, n_eval=100, seeds=2)
    text = write_report(seen(builder.results()), [], tmp_path / "report.html").read_text()
    assert 'class="alarm" role="note"' not in text
    assert re.search(r'class="caution">Only 100 test items: .* Only 2 seeds: .*</p>', text)


def test_several_runs_and_data_sets_stand_one_after_the_other_under_their_names(builder, seen, tmp_path):
    second = seen(builder.add("ae", {"r2": 0.8}, seeds=1).results(title="two"))
    second.trials = [*second.trials]
    first = seen(builder.add("ae", {"r2": 0.7}, seeds=1, dataset="digits").results(title="one"))
    first.source, second.source = tmp_path / "a" / "run", tmp_path / "b" / "run"
    table = pd.DataFrame({"a": [1]})
    runs = [ReportedRun(first, [("Mine", table)]), ReportedRun(second, [("Mine", table)])]
    text = write_reports(runs, tmp_path / "report.html").read_text()
    outline = Outline(text)
    assert len(outline.ids) == len(set(outline.ids))
    assert {link[1:] for link in outline.links} <= set(outline.ids)
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "a/run: fashion_mnist", "a/run: digits", "Mine (a/run)", "b/run: fashion_mnist", "Mine (b/run)",
    ]  # fmt: skip
    assert "<h1>one; two</h1>" in text
    assert text.count("Run card (") == 4


def test_walks_without_transport_are_those_of_the_models(whole_run, monkeypatch):
    """Of colors no transport is computed; a model's walk must not stand in its place."""
    from latentbench.report.page import pictures

    beside = pictures._beside
    monkeypatch.setattr(pictures, "_beside", lambda excerpt: beside(excerpt)[:1])
    (part,) = dataset_parts(whole_run, [], [])
    assert [(row.label, row.walk is not None) for row in part.strip] == [
        ("input", True), ("pca", True), ("ae", True), ("vae", True), ("beta_vae(4)", True),
    ]  # fmt: skip
    assert all(row.label in row.walk.alt for row in part.strip[1:])
    assert {row.images.columns for row in part.strip} == {8}


def color_space():
    rng = np.random.default_rng(0)
    inputs = rng.random((60, 3, 8, 8)).astype(np.float32)
    codes = inputs.reshape(60, -1)[:, :4]
    return latentbench.LatentSpace.from_arrays(
        codes=codes, labels=np.arange(60) % 3, inputs=inputs, reconstructions=inputs[:, :, ::-1].copy()
    )


def without_labels(space):
    return latentbench.LatentSpace.from_arrays(codes=space.codes, inputs=space.inputs, decode=space.decode)


def without_decoder(space):
    return latentbench.LatentSpace.from_arrays(codes=space.codes, labels=space.labels, inputs=space.inputs)


def codes_alone(space):
    return latentbench.LatentSpace.from_arrays(codes=space.codes)


@pytest.mark.parametrize(
    ("labels", "change", "words"),
    [
        (["ae"], lambda space: space, ["Test images: item 0 (class 0)", "Reconstructions"]),
        (["ae", "vae"], without_labels, ["Test images: item 0, item 257", "Reconstructions"]),
        (["ae", "vae"], without_decoder, ["No model decodes.", 'data-pair="maps-1"']),
        (["ae", "vae"], codes_alone, ["There are codes alone", 'data-pair="maps-1"']),
        (["ae"], lambda _: color_space(), ["reconstructed by ae", "Test images: item 0 (class 0)"]),
        (["ae", "vae"], None, ["2 trials failed: why", "it &lt;b&gt;broke"]),
    ],
    ids=["one model", "no labels", "no decoder", "codes alone", "color", "only failures"],
)
def test_every_run_gets_a_sensible_page(builder, seen, tmp_path, labels, change, words):
    for label in labels:
        builder.add(label, {"r2": 0.5}, seeds=1)
        if change is None:
            builder.fail(label, 0, message="it <b>broke")
    results = seen(builder.results())
    results.spaces = {key: change(space) for key, space in results.spaces.items()} if change else {}
    text = write_report(results, [], tmp_path / "report.html", plots(results)).read_text()
    Outline(text)
    for word in words:
        assert word in text
    assert ('first-strip"><caption>' in text) == ("Test images" in words[0] or "reconstructed" in words[0])


def test_names_with_escapes_and_formulas_stay_text(builder, seen, tmp_path):
    results = seen(builder.add(f"ae({EVIL})", {"r2": 0.8}).add(ESCAPE, {"r2": ESCAPE}, dataset=ESCAPE).results())
    results.request["command"] = f"latentbench run -o '{EVIL}{ESCAPE}'"
    text = write_report(results, [(ESCAPE, EVIL)], tmp_path / "report.html", plots(results)).read_text()
    Outline(text)
    assert EVIL not in text
    assert "\x1b" not in text
    assert "\\x1b[31m=1+1" in text
