"""The help of every verb: each option says what it does in a sentence, and nothing is wider than a terminal."""

import re
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from latentbench.cli import DOING, UPKEEP, VERBS

QUICK = {"env", "info", "list", "log", "new"}  # over before a word would be shown


def command_of(verb):
    folder = "upkeep." if verb in UPKEEP else ""
    return import_module(f"latentbench.cli.{folder}{verb}").command


def sentences(text):
    """The text between full stops, without what stands in brackets, quotes and names of files."""
    return re.split(r"(?<=[.])\s+", re.sub(r"\[.*?\]|\(.*?\)|`.*?`", "", text).strip())


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_in_sentences_what_it_does(verb):
    for option in command_of(verb).params:
        if isinstance(option, click.Option):
            assert option.help, f"{verb} {option.opts[0]} says nothing"
            for sentence in sentences(option.help):
                assert sentence[:1].isupper() or sentence.startswith("torch: "), (
                    f"{verb} {option.opts[0]}: {sentence!r}"
                )
                assert sentence.endswith("."), f"{verb} {option.opts[0]}: {sentence!r}"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_eighty_columns_and_breaks_no_word(verb):
    command = command_of(verb) if verb else import_module("latentbench.cli").cli
    text = CliRunner().invoke(command, ["--help"], terminal_width=80).output
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\w\n +[a-z|]+[|}]", text.split("Options:")[0]), (
        "a list of names is broken inside a name"
    )


def test_verbs_are_listed_in_their_order():
    assert list(VERBS) == sorted(VERBS)


def test_every_verb_that_may_take_long_says_what_it_does():
    assert set(VERBS) - QUICK == set(DOING)
