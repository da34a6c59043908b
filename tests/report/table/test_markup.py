import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from latentbench.table.build import comparison_table
from latentbench.table.render import render


def test_latex_escapes_and_has_one_row_a_score(drawn_results):
    text = render(comparison_table(drawn_results().results()), "latex")
    assert r"beta\_vae(4)" in text
    assert r"knn10\_sample" in text
    assert r".874$\pm$.003" in text
    assert "clean times: -{}-timing" in text
    columns = {line.count("&") for line in text.splitlines() if line.endswith(r"\\")}
    assert columns == {9}
    assert text.count("{") == text.count("}")


def test_latex_compiles_in_an_article(drawn_results, tmp_path):
    compiler = shutil.which("pdflatex")
    if compiler is None:
        pytest.skip("pdflatex is not installed")
    table = render(comparison_table(drawn_results().results(), every=True), "latex")
    page = "\\documentclass{article}\n\\begin{document}\n" + table + "\\end{document}\n"
    (tmp_path / "t.tex").write_text(page)
    command = [compiler, "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def test_html_is_well_formed_and_escaped(builder):
    results = builder.add("<b>evil</b>", {"r2": 0.5}).add("vae", {"r2": 0.6}).results()
    parser = Cells()
    text = render(comparison_table(results), "html")
    parser.feed(text)
    assert parser.open == []
    assert "<b>" not in text
    assert {len(row) for row in parser.rows} == {len(parser.rows[0])}
    assert "<b>evil</b>" in "".join(parser.rows[0])
