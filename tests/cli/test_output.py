import io
import sys
from functools import partial
from pathlib import Path

import click
import numpy as np
import pytest

from latentbench.cli import VERBS
from latentbench.cli import cli as command_line
from latentbench.terminal.output import echo, echo_json, echo_paths

NAME = "日本\x1b[31m\u202e†"


def run_again(folder):
    data = ["-d", folder.parent / f"{NAME}.npz"]
    model = ["-m", "pca", "-p", "latent_dim=2", "-s", "r2", "--seeds", 1]
    return ["run", *data, *model, "--workers", 0, "-o", folder]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, typed):
    """A finished run on a data set whose name no terminal and no latin-1 can show."""
    place = tmp_path_factory.mktemp("foreign")
    np.savez(place / f"{NAME}.npz", x=np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32))
    assert typed(*run_again(place / "run")) == 0
    return place / "run"


@pytest.fixture
def through(monkeypatch, typed):
    """A function that types a command into streams of an encoding and returns status, output and messages."""
    return partial(_through, monkeypatch, typed)


def _through(monkeypatch, typed, encoding, *words):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    status = typed(*words)
    monkeypatch.undo()
    return status, *(stream.buffer.getvalue() for stream in streams)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("form", ["text", "csv", "md", "latex", "html"])
def test_a_table_can_be_printed_in_any_encoding(foreign, through, encoding, form):
    status, out, err = through(encoding, "table", foreign, "--format", form)
    assert (status, err) == (0, b"")
    text = out.decode(encoding)
    assert "r2" in text
    assert ("日本" in text) == (encoding == "utf-8")
    assert (r"\u65e5" in text) == (encoding != "utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_run_ends_well_and_has_its_page_whatever_the_terminal(foreign, through, encoding):
    (foreign / "report.html").unlink(missing_ok=True)
    words = run_again(foreign)
    status, out, _ = through(encoding, *words)
    assert status == 0
    assert rb"\u65e5" in out
    assert "日本" in (foreign / "report.html").read_text(encoding="utf-8")


def test_the_page_is_there_when_nobody_reads_the_table(foreign, typed, monkeypatch):
    (foreign / "report.html").unlink(missing_ok=True)
    words = run_again(foreign)
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        status = typed(*words)
        monkeypatch.undo()
    assert status == 1
    assert (foreign / "report.html").is_file()


def test_neither_page_nor_csv_nor_picture_holds_control_characters(foreign):
    texts = [
        path.read_bytes().decode() for path in foreign.glob("**/*") if path.suffix in (".html", ".csv", ".svg")
    ]
    assert texts
    assert not any(sign in text for text in texts for sign in "\x1b\u202e\x07")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_ends_nothing(foreign, typed, monkeypatch, closed):
    monkeypatch.setattr(sys, closed, None)
    assert typed("table", foreign) == 0


def test_messages_that_nobody_can_read_end_nothing(foreign, typed, monkeypatch, capsys):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stderr", full)
        assert typed("table", "nowhere") == 2
        monkeypatch.undo()


def test_a_full_device_takes_no_table(foreign, typed, monkeypatch, capsys):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        assert typed("table", foreign) == 1
        monkeypatch.undo()
    assert capsys.readouterr().err == (
        "latentbench: standard output: no space is left on the disk; free some and run the same command again\n"
    )


def test_a_reader_that_has_gone_ends_the_command_quietly(foreign, typed, monkeypatch, capsys):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Gone())
    status = typed("table", foreign)
    monkeypatch.undo()
    assert (status, capsys.readouterr().err) == (1, "")


@pytest.mark.parametrize("name", ["\x1b[31mred", "bell\x07", "\u202eback", "a\udcffb", "two\rlines", "\x9bcsi"])
@pytest.mark.parametrize("words", [["table"], ["info"], ["run", "-m"], ["run", "--preset"], ["compare", "x"], []])
def test_what_was_typed_is_told_without_control_characters(cli, tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli(*words, name)
    assert (status, out) == (2, "")
    assert all(sign.isprintable() or sign == "\n" for sign in err)
    assert "Traceback" not in err
    assert "internal error" not in err


def test_lines_paths_and_json_are_escaped(capsys):
    echo("a\x1b[0m\nb\x07")
    echo_paths([Path("x\ny"), Path("\udcff")])
    echo_json({"name": "日\x7f\x1b"})
    assert (
        capsys.readouterr().out == 'a\\x1b[0m\nb\\x07\nx\\x0ay\n\\udcff\n{\n "name": "\\u65e5\\u007f\\u001b"\n}\n'
    )


# empty names


def options():
    """Every option and argument of every verb that takes text."""
    for verb in VERBS:
        command = command_line.get_command(click.Context(command_line), verb)
        for option in command.params:
            text = not getattr(option, "is_flag", False) and option.type.name in ("text", "name", "path")
            if text or option.type.name in ("name or path", "parameter"):
                yield verb, option


@pytest.mark.parametrize(
    ("verb", "option"), [(verb, option) for verb, option in options() if option.opts[0][0] == "-"]
)
@pytest.mark.parametrize("text", ["", " ", ","])
def test_an_empty_name_is_refused(cli, verb, option, text):
    needed = {"info": ["r2"], "check": ["r2"], "list": ["models"], "compare": ["a", "b"], "env": [], "run": []}
    status, out, err = cli(verb, *needed.get(verb, ["nowhere"]), option.opts[0], text)
    assert (status, out) == (2, "")
    assert f"Invalid value for '{option.opts[0]}'" in err
    assert "expected" in err


@pytest.mark.parametrize("verb", ["show", "map", "morph", "sample", "edit", "tour", "table", "report", "compare"])
def test_an_argument_left_out_is_named(cli, verb):
    words = [verb, "-a", "x"] if verb == "edit" else [verb]
    status, _, err = cli(*words)
    assert status == 2
    assert "Missing argument '" in err
    status, _, err = cli(*words, "")
    assert status == 2
    assert "expected a " in err
