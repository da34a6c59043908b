"""What a verb is doing: nothing of what is quick, else lines, or a bar until something is printed."""

import time

import pytest

from latentbench.terminal import working as module
from latentbench.terminal.bars import BARS, on_terminal
from latentbench.terminal.output import echo
from latentbench.terminal.working import working


@pytest.fixture
def impatient(monkeypatch):
    """Lines are printed after a tenth of a second, and again."""
    monkeypatch.setattr(module, "LINE_PATIENCE", 0.1)
    monkeypatch.setattr(module, "LINE_SECONDS", 0.1)


def test_what_is_quick_is_not_told(capsys):
    with working("drawing"):
        pass
    assert capsys.readouterr().err == ""


def test_what_takes_long_is_told_again_and_again(impatient, capsys):
    with working("drawing"):
        time.sleep(0.6)
    told = capsys.readouterr().err.splitlines()
    assert 2 <= len(told) <= 6
    assert set(told) == {"drawing"}


def test_what_is_told_at_once_is_told_once(capsys):
    with working("writing report.html", at_once=True):
        pass
    assert capsys.readouterr().err == "writing report.html\n"


def test_nothing_is_told_after_the_output_has_begun(impatient, capsys):
    with working("drawing"):
        echo("a table")
        time.sleep(0.4)
    assert capsys.readouterr().err == ""


def test_it_ends_where_something_is_raised(impatient, capsys):
    with pytest.raises(ValueError, match="no"), working("drawing"):
        raise ValueError("no")
    time.sleep(0.4)
    assert capsys.readouterr().err == ""


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for name, able in (("xterm", True), ("dumb", False)):
        monkeypatch.setenv("TERM", name)
        assert on_terminal() is able


def test_bars_come_with_the_first_and_go_with_the_last(capsys):
    first, second = BARS.add("one", 3), BARS.add("[red]two", note="a note")
    BARS.move(second, 1, 2, "moved")
    BARS.remove(first)
    BARS.remove(second)
    BARS.remove(second)
    assert BARS._progress is None
