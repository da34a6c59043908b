"""`latentbench new`: what it writes works before it is edited, and nothing is overwritten."""

import subprocess
import sys
import tomllib

import pytest

from latentbench.cli import main
from latentbench.plugins import Plugins
from latentbench.testing import cases_of

KINDS = ("model", "metric", "dataset")


def told(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["new", *map(str, arguments)])
    shown = capsys.readouterr()
    return stop.value.code, shown.out, shown.err


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_passes_its_checks(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, _ = told(capsys, kind, f"my_{kind}")
    assert status == 0
    module = tmp_path / f"my_{kind}" / f"my_{kind}.py"
    assert f"latentbench check my_{kind} --plugin my_{kind}/my_{kind}.py" in out
    plugins = Plugins((str(module),))
    findings = [case.finding() for case in cases_of(f"my_{kind}", plugins=plugins)]
    assert [found for found in findings if found.status != "ok"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_has_entry_point_test_readme_and_workflow(kind, tmp_path, capsys):
    folder = tmp_path / "here"
    assert told(capsys, kind, "two-words", "-o", folder)[0] == 0
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "two_words.py", "tests/test_two_words.py", "README.md", "pyproject.toml", ".gitignore",
        ".github/workflows/test.yml",
    }  # fmt: skip
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["latentbench"] == {"two-words": "two_words"}
    assert "class TwoWords(" in (folder / "two_words.py").read_text()
    assert not any(
        mark in path.read_text() for path in folder.rglob("*.*") if path.is_file() for mark in ("{{", "{%")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_its_code_is_tidy(kind, tmp_path, capsys):
    told(capsys, kind, f"my_{kind}", "-o", tmp_path / kind)
    for verb in (["check", "--isolated", "--select", "E,F,I,B,UP"], ["format", "--isolated", "--check"]):
        command = [sys.executable, "-m", "ruff", *verb, "."]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / kind)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vae", "there is a model 'vae' already; choose another name, as my_vae"),
        ("knn", "there is a metric 'knn' already"),
        ("torch", "there is a Python module 'torch' already"),
        ("json", "there is a Python module 'json' already"),
        ("My_Vae", "lower-case words joined by _"),
        ("2d", "lower-case words joined by _"),
        ("a/b", "lower-case words joined by _"),
        ("class", "lower-case words joined by _"),
        ("größe", "lower-case words joined by _"),
    ],
)
def test_names_that_cannot_be_are_refused(name, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = told(capsys, "model", name)
    assert (status, out) == (2, "")
    assert words in err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for name, expected in (("kept", 2), ("file", 2), ("empty", 0)):
        status, _, err = told(capsys, "model", "my_model", "-o", tmp_path / name)
        assert status == expected
        assert ("is there already; give another folder with -o" in err) == bool(expected)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["notes.txt"]
