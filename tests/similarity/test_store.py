import json

import pytest

from latentbench.errors import RunFolderError
from latentbench.similarity.store import PairScore, PairStore


@pytest.fixture
def path(tmp_path):
    store = PairStore(tmp_path / "similarity" / "cka.json")
    store.add_pair("a", "b", PairScore(0.123456789012345, "a note"))
    store.add_pair("a", "c", PairScore(None, "all codes are equal"))
    store.add_null("m", "n", [0.1, -0.2])
    store.keep()
    return store.path


def test_what_is_kept_is_read_back_exactly(path):
    store = PairStore.read(path)
    assert store.pair("a", "b", False) == PairScore(0.123456789012345, "a note")
    assert store.pair("a", "c", False) == PairScore(None, "all codes are equal")
    assert store.null("m", "n", False) == (0.1, -0.2)


def test_only_a_symmetric_score_is_found_the_other_way_round(path):
    store = PairStore.read(path)
    assert store.pair("b", "a", True) == store.pair("a", "b", True)
    assert store.pair("b", "a", False) is None
    assert store.null("n", "m", True) == (0.1, -0.2)
    assert store.null("n", "m", False) is None


def test_a_file_that_is_not_there_holds_nothing(tmp_path):
    store = PairStore.read(tmp_path / "cka.json")
    assert store.pair("a", "b", True) is None
    store.keep()
    assert not store.path.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "similarity").write_text("in the way")
    store = PairStore(tmp_path / "similarity" / "cka.json")
    store.add_pair("a", "b", PairScore(0.5))
    with pytest.raises(RunFolderError, match=r"cka.json cannot be written: "):
        store.keep()


@pytest.mark.parametrize("change", ["value", "pairs", "half"])
def test_damage_is_one_sentence(path, change):
    text = path.read_text()
    if change == "value":
        path.write_text(text.replace("0.123456789012345", "0.923456789012345"))
    elif change == "pairs":
        values = json.loads(text)
        path.write_text(json.dumps({"pairs": {"a": 1}, "nulls": values["nulls"]}))
    else:
        path.write_text(text[: len(text) // 2])
    with pytest.raises(
        RunFolderError, match=r"cka.json cannot be read .*remove it and run the same command again"
    ):
        PairStore.read(path)
