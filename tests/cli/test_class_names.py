"""Every verb that draws says what classes are called: hostile names, and classes that have numbers alone."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image

PLUGIN = '''
import numpy as np
from latentbench import Dataset, Split, hookimpl

NAMES = ("a class whose name is forty letters long", "日本", "7", "a<b&c", " ", "sneaker")

class Plain(Dataset):
    """Squares in six places, by class."""
    names = ()
    def load(self):
        draw, labels = np.random.default_rng(0), np.arange(240) % 6
        images = draw.integers(0, 60, (240, 1, 8, 8))
        for row, label in enumerate(labels):
            images[row, 0, 4 * (label // 3) : 4 * (label // 3) + 3, 2 * (label % 3) : 2 * (label % 3) + 3] = 200
        whole = Split(images.astype(np.uint8), labels, class_names=self.names)
        return whole.take(np.arange(180)), whole.take(np.arange(180, 240))

class Hostile(Plain):
    names = NAMES

@hookimpl
def register_datasets(register):
    register("plain", Plain, summary="no names")
    register("hostile", Hostile, summary="names")
'''
TOML = """
datasets = ["plain", "hostile"]
models = ["pca"]
references = []
maps = []
seeds = 1
scores = ["r2"]
params = {latent_dim = 3}
"""
NAMES = ("a class whose name is forty letters long", "日本", "7", "a<b&c", " ", "sneaker")
WORDS = {
    "plain": [f"class {number}" for number in range(6)],
    "hostile": ["a class who...tters long", "日本", "class 7", "a<b&c", 'class " "', "sneaker"],
}


@pytest.fixture(scope="module")
def folder(finished_run):
    return finished_run(TOML, plugin=PLUGIN)


@pytest.fixture
def drawn(folder, cli, tmp_path):
    """A function that types a verb for a data set and returns the files that it writes, by ending."""

    def call(verb, dataset, *words):
        plugin = "--plugin", folder.parent / "plugin.py", "-d", dataset
        status, out, err = cli(verb, folder, *plugin, *words, "-o", tmp_path)
        assert (status, err) == (0, "")
        return {path.rpartition(".")[2]: Path(path) for path in out.splitlines()}

    return call


def described(path):
    with Image.open(path) as picture:
        return json.loads(picture.info["Description"])


def text_of(svg):
    """The words of a drawing, which has to be well-formed."""
    parsed = ElementTree.fromstring(svg.read_bytes())  # noqa: S314 - our own drawing
    return "\n".join(element.text or "" for element in parsed.iter() if element.tag.endswith("text"))


DATA = pytest.mark.parametrize("dataset", WORDS)


@DATA
def test_morph(drawn, dataset):
    words = WORDS[dataset]
    files = drawn("morph", dataset, "--from", 2, "--to", 3, "--via", 0, "--animation", "none", "--format", "svg")
    assert f"From item 2 ({words[2]}) to item 0 ({words[0]}) to item 3 ({words[3]}): pca" in text_of(files["svg"])
    files = drawn("morph", dataset, "--blend", "1,4,5")
    assert described(files["png"])["item_names"] == [f"item {item} ({words[item]})" for item in (1, 4, 5)]


@DATA
def test_show(drawn, dataset):
    files = drawn("show", dataset, "--format", "png,svg")
    assert described(files["png"])["item_names"] == [f"item {n} ({word})" for n, word in enumerate(WORDS[dataset])]
    shown = re.sub(r"\s+", " ", text_of(files["svg"]))
    assert all(re.sub(r"\s+", " ", f"item {n} ({word})") in shown for n, word in enumerate(WORDS[dataset]))
    files = drawn("show", dataset, "--what", "traversals", "--items", 5)
    assert described(files["png"])["start"] == f"item 5 ({WORDS[dataset][5]})"


@DATA
def test_sample(drawn, dataset):
    files = drawn("sample", dataset, "--how", "variations", "--item", 1, "--count", 4, "--width", 1)
    assert described(files["png"])["item_names"] == [f"item 1 ({WORDS[dataset][1]})"]


@DATA
def test_map(drawn, dataset):
    files = drawn("map", dataset, "--method", "pca", "--format", "svg")
    shown, numbers = text_of(files["svg"]), pd.read_csv(files["csv"], dtype={"class_name": str})
    if dataset == "plain":
        assert {"0", "class 0", "5", "class 5"} <= set(shown.splitlines())
        assert "class_name" not in numbers
        return
    lines = shown.splitlines()
    assert {"a class...s long", "日本", "class 7", "a<b&c", 'class " "', "sneaker"} <= set(lines)
    assert numbers["class_name"].tolist()[:6] == list(NAMES)


@DATA
def test_tour(drawn, dataset):
    files = drawn("tour", dataset, "--method", "pca", "--clusters", 3, "--seconds-per-stop", 0.16)
    numbers = pd.read_csv(files["csv"], dtype={"class_name": str}, keep_default_na=False)
    if dataset == "plain":
        assert "class_name" not in numbers
    else:
        assert numbers["class_name"].tolist() == [NAMES[number] for number in numbers["class"]]


@pytest.mark.parametrize(
    ("dataset", "pair", "words"),
    [
        ("plain", "label:2->5", "class 2 to class 5"),
        ("hostile", "label:7->Sneaker", "class 7 to sneaker"),
        ("hostile", f"label:a<b&c-{NAMES[0]}", "a<b&c to a class who...tters long"),
    ],
)
def test_edit(drawn, dataset, pair, words):
    files = drawn("edit", dataset, "-a", pair)
    assert described(files["png"])["edits"] == [words]
    assert all(name.endswith(f"({words.partition(' to ')[0]})") for name in described(files["png"])["item_names"])
    assert set(pd.read_csv(files["csv"])["edit"]) == {words}


@pytest.mark.parametrize(
    ("dataset", "pair", "numbers"),
    [("plain", "2,5", [2, 5]), ("hostile", "7,日本", [2, 1]), ("hostile", f"{NAMES[0]},A<b&c", [0, 3])],
)
def test_transport_of_classes(drawn, dataset, pair, numbers):
    about = described(drawn("transport", dataset, "--classes", pair, "--points", 3)["png"])
    assert about["classes"] == numbers
    assert about["class_names"] == [WORDS[dataset][number] for number in numbers]


@DATA
def test_transport_of_items(drawn, dataset):
    for items in ([2, 5], [0, 1, 2], [2, 3, 4, 5]):
        about = described(drawn("transport", dataset, "--items", ",".join(map(str, items)), "--points", 3)["png"])
        assert about["items"] == items
        assert about["item_names"] == [f"item {item} ({WORDS[dataset][item]})" for item in items]


@pytest.mark.parametrize(
    ("verb", "words", "sentence"),
    [
        (
            "transport",
            ["--classes", "sneakr,7"],
            "there is no class 'sneakr'; did you mean 'sneaker'?; classes are",
        ),
        ("transport", ["--classes", "3,7"], "there is no class 3; classes are a class who"),
        ("edit", ["-a", "label:3->7"], "there is no class 3; classes are a class who"),
        ("edit", ["-a", "label:sneaker"], "two different classes are written 'label:5->9'"),
    ],
)
def test_a_wrong_class_is_one_sentence(folder, cli, verb, words, sentence):
    status, out, err = cli(verb, folder, "--plugin", folder.parent / "plugin.py", "-d", "hostile", *words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
