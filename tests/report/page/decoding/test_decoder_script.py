"""The scripts that decode, in a browser, against torch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from latentbench.report.page import decoding
from latentbench.report.page.decoding.reading import _KINDS
from latentbench.report.page.decoding.recording import record
from latentbench.report.page.decoding.section import SCRIPTS as SCRIPT_NAMES
from latentbench.report.page.decoding.translation import program_of

FOLDER = Path(decoding.__file__).parent
SCRIPTS = [FOLDER / name for name in SCRIPT_NAMES]
DECODE_ALL = """
exported => Object.fromEntries(Object.entries(exported).map(([name, [program, codes]]) => {
  const run = LatentDecoder.compile(program);
  return [name, codes.map(code => Array.from(run(code)))];
}))
"""


@pytest.fixture(scope="module", autouse=True)
def _scripts(page):
    page.set_content("<p>decoders</p>")
    for path in [FOLDER.parent / "living" / "entry.js", FOLDER.parent / "living" / "arrays.js", *SCRIPTS[:4]]:
        page.add_script_tag(content=path.read_text("utf-8"))


@pytest.mark.parametrize(("precision", "limit"), [("float16", 2e-3), ("float32", 1e-5)])
def test_the_page_computes_what_torch_computes(page, decoders, drawn_codes, precision, limit):
    codes = drawn_codes[:2]
    exported = {
        name: [program_of(record(decode, codes[:1])).data(precision), codes.tolist()]
        for name, decode in decoders.items()
    }
    decoded = page.evaluate(DECODE_ALL, exported)
    for name, decode in decoders.items():
        with torch.no_grad():
            expected = decode(codes).flatten(1).numpy()
        np.testing.assert_allclose(np.array(decoded[name]), expected, atol=limit, err_msg=name)
    assert page.errors == []


def test_the_page_knows_what_the_translation_uses(page):
    kinds = set(page.evaluate("Object.keys(LatentOperations.KINDS)"))
    assert kinds == set(_KINDS)


def test_scripts_are_short():
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in FOLDER.rglob("*.js")}
    assert {name: count for name, count in lines.items() if count > 250} == {}


def test_scripts_evaluate_no_text_and_write_no_markup():
    for path in FOLDER.rglob("*.js"):
        text = path.read_text("utf-8")
        for word in ("eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
            assert word not in text, (path.name, word)
        assert "fetch(" not in text
        assert text.startswith('"use strict";\n// '), path.name


def test_all_scripts_are_in_the_page():
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.js")} == set(SCRIPT_NAMES)
