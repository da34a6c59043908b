import pytest

from latentbench import LatentSpace
from latentbench.errors import RequestError, UnknownNameError
from latentbench.latent.class_names import (
    class_pair,
    class_words,
    find_class,
    item_words,
    known_classes,
    no_such_class,
)

LONG = "a class whose name is forty letters long"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sneaker", "sneaker"),
        ("T-shirt/top", "T-shirt/top"),
        ("日本", "日本"),
        ("a<b&c", "a<b&c"),
        ("7", "class 7"),
        ("-1", "class -1"),
        ("1.5", "class 1.5"),
        ("1e5", "class 1e5"),
        ("nan", "class nan"),
        (" 7 ", "class 7"),
        ("?", "class ?"),
        ("", 'class ""'),
        ("  ", 'class "  "'),
        ("\u200b", 'class "\\u200b"'),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("re\u0301sume\u0301", "r\u00e9sum\u00e9"),
        ("two\nlines", "two lines"),
        (LONG, "a class who...tters long"),
    ],
)
def test_a_class_is_never_a_bare_number(name, words):
    assert class_words(0, (name,)) == words
    space = LatentSpace.from_arrays(codes=[[0.0], [1.0]], labels=[0, 0], class_names=(name,))
    assert item_words(space, 1) == f"item 1 ({words})"


def test_classes_without_names_and_items_without_classes():
    assert class_words(7) == "class 7"
    assert class_words(2, ("a", "b")) == "class 2"
    assert item_words(LatentSpace.from_arrays(codes=[[0.0], [1.0]], labels=[3, 7]), 1) == "item 1 (class 7)"
    assert item_words(LatentSpace.from_arrays(codes=[[0.0], [1.0]]), 1) == "item 1"


def test_long_names_that_are_shortened_alike_differ():
    names = tuple(f"the same beginning {letter} and the same end" for letter in "ab")
    assert [class_words(number, names) for number in (0, 1)] == [
        "the same be...e same end [0]",
        "the same be...e same end [1]",
    ]


@pytest.mark.parametrize(
    ("request_", "names", "number"),
    [
        ("Sneaker", ("bag", "sneaker"), 1),
        ("SNEAKER", ("Sneaker", "sneaker"), None),
        ("sneaker", ("Sneaker", "sneaker"), 1),
        (1, ("bag", "sneaker"), 1),
        ("class 1", (), 1),
        ("2", ("bag", "sneaker"), None),
        ("7", ("7", "cat"), 0),
        ("1", ("7", "cat"), None),
        ("class 7", ("7", "cat"), 0),
        ("007", ("7", "007"), 1),
        ("r\u00e9sum\u00e9", ("x", "re\u0301sume\u0301"), 1),
        ("stra\u00dfe", ("STRASSE", "x"), 0),
        ("bag ", ("bag", "x"), 0),
        ("", ("bag", "x"), None),
        ("\u0661", (), None),
    ],
)
def test_a_name_or_a_number_asks_for_a_class(request_, names, number):
    assert find_class(request_, names, [0, 1]) == number


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("bag", RequestError, "two different classes are written A,B, got 'bag'"),
        ("bag,Bag", RequestError, "two different classes are written A,B, got 'bag,Bag'"),
        ("bag,", RequestError, "two different classes are written A,B, got 'bag,'"),
        (
            "bag,coatt",
            UnknownNameError,
            "there is no class 'coatt'; did you mean 'coat'?; classes are bag (0), coat (1)",
        ),
        ("9,coat", UnknownNameError, "there is no class 9; classes are bag (0), coat (1), a,b (2)"),
    ],
)
def test_what_is_no_pair_is_one_sentence(text, error, sentence):
    with pytest.raises(error) as caught:
        class_pair(text, ",", "A,B", ("bag", "coat", "a,b"), [0, 1, 2])
    assert str(caught.value).startswith(sentence)


def test_names_may_hold_the_separator():
    assert class_pair("a,b,Coat", ",", "A,B", ("bag", "coat", "a,b"), [0, 1, 2]) == (2, 1)
    assert class_pair("1,a,b", ",", "A,B", ("bag", "coat", "a,b"), [0, 1, 2]) == (1, 2)


def test_many_classes_are_not_all_listed():
    assert known_classes((), range(100)) == "0 to 99"
    words = known_classes([f"kind {number}" for number in range(30)], range(30))
    assert words.endswith("kind 19 (19) and 10 more")
    assert "\x1b" not in no_such_class("\x1b[31m", ("a", "\x1b[0m"), [0, 1])
