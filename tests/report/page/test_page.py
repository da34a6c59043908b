import html
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest

import latentbench
from latentbench.drawing.montage import data_uri, montage, png_bytes
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.scatter import code_map
from latentbench.execution.maps import trial_map
from latentbench.explore.coloring import class_marks
from latentbench.latent.sampling import sample_codes
from latentbench.plugins import Plugins
from latentbench.records import Record
from latentbench.report.charts.plots import plots
from latentbench.report.page.pictures import _pictured, median_trial, pictures
from latentbench.report.page.scripts import page_scripts, security_policy
from latentbench.report.page.write import write_report
from latentbench.table.build import comparison_table
from latentbench.table.comparison_display import displays
from latentbench.table.sentences import warnings

EVIL = "<script>alert('x')</script>"
MODELS = ["pca", "ae", "vae", "beta_vae(4)"]
VOID = {"meta", "img", "link", "br", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Collects the tags of a page, and insists that they nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], text
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def page(tmp_path):
    def make(results, sections=()):
        path = write_report(results, list(sections), tmp_path / "out" / "report.html", plots(results))
        return Page(path.read_text("utf-8"))

    return make


@pytest.fixture
def full(drawn_results, seen):
    return lambda **options: seen(drawn_results().results(), **options)


def test_loads_nothing_and_runs_no_script_but_its_own(page, full):
    shown = page(full())
    assert {tag for tag, _ in shown.tags} & {"link", "iframe", "object", "embed"} == set()
    kinds = [attrs.get("type") for attrs in shown.all("script")]
    assert kinds == ["application/json"] * 2 + [None] * len(page_scripts())
    assert not any("src" in attrs for attrs in shown.all("script"))
    assert not any(name.startswith("on") for _, attrs in shown.tags for name in attrs)
    links = [attrs["href"] for _, attrs in shown.tags if "href" in attrs]
    assert {link.removeprefix("#") for link in links} <= {attrs.get("id") for _, attrs in shown.tags}
    addresses = [attrs[name] for _, attrs in shown.tags for name in ("src", "srcset") if name in attrs]
    assert addresses
    kinds = ("data:image/png;base64,", "data:image/svg+xml;base64,")
    assert all(address.startswith(kinds) for address in addresses)
    assert not re.search(r"https?://|url\(|@import", shown.text)
    policy = next(meta["content"] for meta in shown.all("meta") if "http-equiv" in meta)
    assert policy == security_policy(page_scripts())


def test_can_be_read_by_a_screen_reader(page, full):
    shown = page(full())
    assert all(attrs.get("alt") for attrs in shown.all("img"))
    assert all(attrs.get("scope") in ("col", "row") for attrs in shown.all("th"))
    assert shown.all("html")[0]["lang"] == "en"


def test_holds_the_table_the_pictures_and_the_maps(page, full):
    shown = page(full())
    assert ".874±.003" in shown.text
    alts = [attrs["alt"] for attrs in shown.all("img")]
    assert len([alt for alt in alts if "reconstructed by" in alt]) == 4  # pca, ae, vae, beta_vae; never pixels
    assert len([alt for alt in alts if "along a straight line" in alt]) == 4
    assert len([alt for alt in alts if alt.startswith("PCA map")]) == 5
    assert len([alt for alt in alts if "mixtures" in alt]) == 2  # faded and moved
    assert len([alt for alt in alts if "run through its quantiles" in alt]) == 4
    assert "seed 1, the median" in shown.text


def test_holds_the_figures_that_there_are_numbers_for(page, full, builder, seen):
    alts = [attrs["alt"] for attrs in page(full()).all("img")]
    rate = next(alt for alt in alts if alt.startswith("Rate against r2 on fashion_mnist"))
    assert "vae 45.7 nats, r2 .874; " in rate
    assert rate.endswith("pca, r2 .771.")
    assert len([alt for alt in alts if alt.startswith("Training time against scores")]) == 1
    assert ">Curves</h3>" not in page(full()).text
    bare = page(seen(builder.add("ae", {"mse": 0.1}).results())).text
    assert "Rate and quality" not in bare
    assert "Cost and quality" not in bare


def test_curves_say_what_was_chosen_on_the_validation_split(page, builder, seen):
    builder.add("vae(latent_dim=2)", {"r2": 0.5}).add("vae(latent_dim=8)", {"r2": 0.8})
    results = seen(builder.results())
    results.vary(
        lambda label: {"latent_dim": int(re.search(r"=(\d+)", label)[1])}, value=lambda row: row.value + 0.1
    )
    text = page(results).text
    assert text.count(">Curves</h3>") == 1
    assert (
        "<li>To reconstruct the input (r2), vae does best with latent_dim=8 of 2 tried on the validation split "
        "(.900±.002); on the test split it is .800±.002.</li>"
    ) in text


def test_a_sound_run_has_no_red_box(page, full):
    assert "Before you read" not in page(full()).text


def test_strangers_text_is_escaped_everywhere(page, builder, seen):
    label = f"ae({EVIL})"
    builder.add(label, {"r2": 0.8, "rate": EVIL}, description=EVIL, unit=EVIL, likelihood=EVIL, flags=(EVIL,))
    builder.add("vae", {"r2": 0.7}).fail("vae", 0, message=EVIL)
    results = seen(builder.results(title=EVIL))
    sections = [(EVIL, pd.DataFrame({EVIL: [EVIL]})), ("words", EVIL), ("svg", f"<svg>{EVIL}</svg>")]
    shown = page(results, sections)
    assert {attrs.get("type") for attrs in shown.all("script")} == {None, "application/json"}
    assert len(shown.all("script")) == 2 + len(page_scripts())
    assert EVIL not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert "\\u003cscript\\u003e" in shown.text


def test_plugins_sections_are_shown(page, full):
    table = pd.DataFrame({"model": ["ae", "vae"], "rank": [1.5, 2.25]})
    svg = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    shown = page(full(), [("Ranks", table), ("Curve", svg), ("Long", pd.DataFrame({"a": range(300)}))])
    assert "<td>2.25</td>" in shown.text
    assert [attrs["src"][:26] for attrs in shown.all("img") if attrs["alt"] == "Curve"] == [
        "data:image/svg+xml;base64,"
    ]
    assert "100 more rows." in shown.text


def test_the_run_card_holds_the_environment(page, full, tmp_path):
    results = full()
    results.path = tmp_path
    known = {
        "python": "3.12", "system": "Linux", "processor": "a chip", "cores": 2, "cuda": "none",
        "versions": {"torch": "2.15.0"}, "plugins": [{"name": "mine"}, {"name": "other", "error": None}],
    }  # fmt: skip
    (tmp_path / "environment.json").write_text(json.dumps(known))
    text = page(results).text
    assert '<th scope="row">versions.torch</th><td>2.15.0</td>' in text
    (tmp_path / "environment.json").write_text("not json")
    with pytest.warns(UserWarning, match=r"environment\.json cannot be read .* is left out"):
        assert "Run card" in page(results).text


def test_codes_alone_get_a_sentence(page, full):
    results = full()
    for key, space in results.spaces.items():
        labels = space.data.labels
        results.spaces[key] = latentbench.LatentSpace.from_arrays(
            codes=space.codes, labels=labels, name=space.name
        )
    text = page(results).text
    assert "There are codes alone, without the inputs that they are of" in text
    assert "neither gray" not in text
    assert "PCA map" in text


def test_inputs_that_are_no_images_get_a_sentence(page, full):
    text = page(full(images=False)).text
    assert "The inputs are neither gray or RGB images nor bodies" in text
    assert "PCA map" in text
    assert "Walks" not in text


@pytest.mark.parametrize(
    ("names", "words", "marks"),
    [
        ((), [f"class {number}" for number in range(8)], [str(number) for number in range(10)]),
        (
            (EVIL, "日本", "7", "a<b&c", " ", *(5 * "n" * 8 + letter for letter in "abcde")),
            ["&lt;script&gt;...", "日本", "class 7", "a&lt;b&amp;c", "class &#34; &#34;"],
            ["日本", "class 7", "a&lt;b&amp;c"],
        ),
    ],
)
def test_classes_are_called_by_their_names(page, full, names, words, marks):
    results = full()
    results.spaces = {key: space.replaced(class_names=names) for key, space in results.spaces.items()}
    text = page(results).text
    said = re.search(r"Test images: (.*)\.</p>", text)[1]
    assert len(re.findall(r"item \d+ \(", said)) == 8
    assert all(f"({word})" in said for word in words if "..." not in word)
    walk = re.search(r"A straight line in latent space, decoded, (.*)</th>", text)[1]
    assert re.match(r"from item 0 \(.*\) to item 1 \(" + re.escape(words[1]) + r"\)", walk)
    assert EVIL not in text
    alt = re.search(r'alt="PCA map[^"]*10 classes: ([^"]*)"', text)[1]
    assert all(mark in alt.split(", ") for mark in marks)


def test_a_model_that_cannot_be_loaded_costs_only_its_pictures(page, full):
    results = full()
    good = results.latent_space

    def latent_space(trial):
        if trial.label == "ae":
            raise RuntimeError("weights are gone")
        return good(trial)

    results.latent_space = latent_space
    text = page(results).text
    assert "RuntimeError: weights are gone" in text
    assert "reconstructed by vae" in text
    assert "reconstructed by ae" not in text


@pytest.mark.parametrize("seeds", [0, 1])
def test_survives_a_run_in_which_all_failed(page, builder, seeds):
    if seeds:
        builder.add("vae", {"r2": 0.5}, seeds=1).fail("vae", 0, message="loss is NaN")
    text = page(builder.results()).text
    assert ("loss is NaN" if seeds else "no trials in this run") in text


def test_is_written_whole_or_not_at_all(page, full, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr("latentbench.report.page.parts.pictures", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(full(), [], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_fade_and_every_walk_begin_and_end_at_the_two_images(full):
    from latentbench.report.page.pictures import _beside, _excerpt

    results = full()
    trial = results.trials[-2]
    space = results.latent_space(trial)
    excerpt = _excerpt(trial, space, "")
    start, end = excerpt.items[:2]
    assert space.labels[start] != space.labels[end]
    beside = _beside(excerpt)
    assert [name for name, _ in beside] == ["pixel fade", "optimal transport"]
    for _, mixtures in beside:
        assert mixtures.shape == (10, 1, 8, 8)
        assert (mixtures[0] == space.inputs[start].numpy()).all()
        assert (mixtures[-1] == space.inputs[end].numpy()).all()
    ends = space.reconstructions[[start, end]].numpy().clip(0, 1)
    assert abs(excerpt.walk[[0, -1]] - ends).max() < 1e-5


def test_all_models_are_shown_on_the_same_items(full):
    seen = pictures(full(), "fashion_mnist")
    assert [picture.label for picture in seen.walks] == MODELS
    assert [picture.label for picture in seen.beside] == ["pixel fade", "optimal transport"]
    assert [picture.label for picture in seen.reconstructions] == ["input", *MODELS]
    assert [picture.label for picture in seen.traversals] == MODELS
    assert seen.maps[1].note.endswith(", all 1,797 items, seed 0, the median")


@pytest.fixture(scope="module")
def digits(tiny, tmp_path_factory):
    """A real run of a model with a prior and of one without, and a t-SNE map of the first."""
    results = latentbench.run(tiny(models=("vae", "ae")), tmp_path_factory.mktemp("page") / "run", workers=0)
    trial = results.trials[0]
    made = trial_map(
        Record(results.path, trial.key), results.latent_space(trial), "tsne", Plugins(), seed=1, count=100
    )
    return results, made


def test_models_with_a_prior_show_images_drawn_from_it(digits):
    results, _ = digits
    seen = pictures(results, "digits")
    assert [picture.label for picture in seen.samples] == ["vae"]
    space = results.latent_space(results.trials[0])
    drawn = as_pictures(space.decode(sample_codes(space, 10, 0, "prior")))
    assert seen.samples[0].uri == data_uri(png_bytes(montage(drawn[None])))
    assert [picture.label for picture in seen.traversals] == ["vae", "ae"]
    assert re.search(r"from above dimension \(nats\) \d \([\d.e-]+\), \d", seen.traversals[0].note)
    assert "dimension (variance)" in seen.traversals[1].note


def test_stored_maps_are_shown_and_damaged_ones_passed_over(digits):
    results, made = digits
    maps = pictures(results, "digits").maps
    assert [picture.label for picture in maps] == ["vae", "vae", "ae"]
    assert maps[1].note.startswith("t-SNE, trustworthiness ")
    assert maps[1].note.endswith("100 of 360 items")
    labels = results.latent_space(results.trials[0]).labels.numpy()[made.rows]
    assert maps[1].uri == data_uri(code_map(made.places, labels, class_marks(range(10), ())))
    (stored,) = (Record(results.path, results.trials[0].key).folder / "maps").glob("tsne-*")
    content = stored.read_bytes()
    stored.write_bytes(content[:100])
    try:
        assert [picture.label for picture in pictures(results, "digits").maps] == ["vae", "ae"]
    finally:
        stored.write_bytes(content)


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ([f"vae({place})" for place in range(6)], 6),
        ([f"vae({place})" for place in (5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0)] + ["ae(0)", "ae(1)"], 6),
        ([f"model{place}({setting})" for place in range(8) for setting in range(2)], 8),
    ],
)
def test_of_many_chosen_settings_those_that_most_scores_chose_are_pictured(monkeypatch, chosen, kept):
    choices = [SimpleNamespace(label=label, model=label.partition("(")[0]) for label in chosen]
    columns = ["pca", *dict.fromkeys(chosen)]
    module = "latentbench.report.page.pictures"
    monkeypatch.setattr(f"{module}.labels", lambda *_: columns)
    monkeypatch.setattr(f"{module}.sweeps", lambda _: [SimpleNamespace(dataset="digits", choices=choices)])
    pictured, said = _pictured(None, "digits")
    settings = [label for label in pictured if label != "pca"]
    assert pictured == [label for label in columns if label in pictured]
    assert len(settings) == kept
    assert {label.partition("(")[0] for label in settings} == {choice.model for choice in choices}
    assert "pca" in pictured
    assert "vae(0)" not in pictured or len(columns) == 7
    assert bool(said) == (len(columns) - 1 > kept)
    if said:
        assert said.startswith(f"Pictured are {kept} of {len(columns) - 1} chosen settings: ")


def test_the_median_seed_is_shown(builder):
    builder.add("ae", {"mse": 0.1, "r2": 0.9})
    results = builder.results()
    of_mse = sorted((row for row in results.rows if row.score == "mse"), key=lambda row: row.value)
    assert median_trial(results, "fashion_mnist", "ae").key == of_mse[2].trial
    assert median_trial(results, "fashion_mnist", "vae") is None


def test_without_mse_and_r2_the_first_good_trial_is_shown(builder):
    results = builder.add("ae", {"ari": 0.1}).fail("ae", 0).results()
    assert median_trial(results, "fashion_mnist", "ae").seed == 1


def told(text):
    """The sentences at the top of a page."""
    return [
        html.unescape(line)
        for line in re.findall(r"<li>(.*?)</li>", text.partition('class="say">')[2].partition("</ul>")[0])
    ]


def test_the_page_says_what_the_terminal_says(page, full, builder, seen):
    results = full()
    (shown,) = displays(comparison_table(results))
    assert told(page(results).text) == list(shown.reading)
    assert len(shown.reading) == 3


@pytest.mark.parametrize("beside", [{}, {"ae": 0.7}])
def test_the_page_says_what_the_terminal_says_of_settings(page, builder, seen, beside):
    builder.add("vae(latent_dim=2)", {"r2": 0.5}).add("vae(latent_dim=8)", {"r2": 0.8}).add("pca", {"r2": 0.8})
    for label, mean in beside.items():
        builder.add(label, {"r2": mean})
    results = seen(builder.results())
    results.vary(lambda label: {"latent_dim": int(label[-2])} if "=" in label else {})
    terminal = [sentence for shown in displays(comparison_table(results)) for sentence in shown.reading]
    assert told(page(results).text) == terminal
    assert terminal[-1] == (
        "To reconstruct the input (r2): vae with latent_dim=8, of 2 tried, but not clearly better than pca on the "
        "validation split."
    )


def test_a_ceiling_that_a_model_exceeds_is_told(page, builder, seen):
    builder.add("ae", {"r2": 0.8, "ari": 0.4}).add("vae", {"r2": 0.7, "ari": 0.3})
    builder.add("pixels", {"r2": 1.0, "ari": 0.35})
    text = page(seen(builder.results())).text
    assert 'title="floor .000, ceiling 1.000, 80 % of the way from floor to ceiling"' in text
    assert text.count("of the way from floor to ceiling") == 6  # three columns of r2, in both tables
    assert "<li>ceiling exceeded by some model: ari</li>" in text
    assert 'title="floor .000, ceiling .350, which some model exceeds"' in text


def test_warnings_come_only_where_they_are_due(drawn_results, builder):
    sound = comparison_table(drawn_results().results()).comparisons[0]
    assert warnings(sound) == []
    builder.add("ae", {"r2": 0.1}, seeds=2, flags=("collapsed",), n_eval=360).add(
        "vae", {"r2": 0.2}, environment="e2", seeds=2, n_eval=360
    )
    builder.fail("vae", 0)
    assert warnings(comparison_table(builder.results()).comparisons[0]) == [
        "Collapsed: ae in 2 of 2 trials.",
        "1 of 4 trials gave no result (vae).",
        "The numbers come from 2 different environments.",
        "Only 360 test items: differences of about 1 % are noise.",
        "Only 2 seeds: too few to tell models apart, so no stars.",
    ]
