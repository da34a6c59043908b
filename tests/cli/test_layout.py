"""Tables and prose on the screen."""

import re

import pytest

from latentbench.cli._shared.layout import print_prose, print_table
from latentbench.plugins import KINDS

NAMES = [(f"a_name_of_some_length_{number}", "words " * 40, number) for number in (1, 22)]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_long_cells_go_on_in_the_next_line(capsys):
    print_table(NAMES, ("name", "meaning", "count"), numbers={2}, indent=2)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[0].split() == ["name", "meaning", "count"]
    assert all(line.startswith("  ") and line == line.rstrip() for line in out.splitlines())
    assert out.split().count("words") == 80
    assert re.search(r"^  a_name_of_some_length_1 +words.* 1$", out, re.MULTILINE)
    assert re.search(r"^  a_name_of_some_length_22 +words.* 22$", out, re.MULTILINE)


def test_a_name_wider_than_the_screen_is_shown_whole(capsys):
    print_table([("x" * 100, "meaning")])
    assert capsys.readouterr().out.count("x") == 100


def test_what_looks_like_markup_is_printed_as_it_is(capsys):
    print_table([("[bold]name", ":smile: [/x]")])
    assert capsys.readouterr().out == "[bold]name  :smile: [/x]\n"


def test_no_colors_where_nobody_looks(capsys):
    print_table([("vae", 1)], ("model", "trials"))
    assert "\x1b" not in capsys.readouterr().out


def test_a_table_of_no_rows_is_its_headings(capsys):
    print_table([], ("model", "trials"))
    assert capsys.readouterr().out.split() == ["model", "trials"]


def test_paragraphs_and_lists_are_wrapped_each(capsys):
    print_prose(f"One\nsentence.\n\n- first {'word ' * 20}\n  goes on\n- second\n\nThe end.")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["One sentence.", ""]
    assert lines[2].startswith("- first word")
    assert re.fullmatch(r"  (word )+goes on", lines[3])
    assert lines[4:] == ["- second", "", "The end."]


@pytest.mark.parametrize(
    "verb", [["list", f"{kind}s"] for kind in KINDS] + [["info", name] for name in ("knn", "vae")]
)
def test_lists_and_explanations_fit_eighty_columns(cli, verb):
    status, out, _ = cli(*verb)
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
