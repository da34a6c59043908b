import csv
import io

import pytest
import torch

from latentbench.errors import RequestError
from latentbench.similarity.render import displays, render_similarity
from latentbench.similarity.similarity import compare_models
from tests.similarity.conftest import Explained, Shared, asked, model_of


@pytest.fixture
def similarity(models, tmp_path):
    flat = model_of("flat", [torch.ones(60, 2)], reference="floor")
    return compare_models("digits", [*models, flat], [asked(Shared), asked(Explained)], tmp_path)


def test_text_shows_marks_brackets_and_gaps(similarity):
    text = render_similarity(similarity)
    head, first, second = text.split("\n\n")
    assert head.startswith("digits: how alike 4 models are\n")
    assert first.startswith("shared (up)   what two spaces share   60 items\n")
    assert "< below the seeds of either model" not in first  # unrelated, which says more
    assert "[ ] seeds of one model   ~ no more than unrelated spaces" in first
    assert "the first dimension is constant" in first
    assert "from the model of the row to that of the column" in second
    rows = {line.split()[1]: line for line in first.splitlines() if line[:1].isdigit() and "items" not in line}
    assert rows["flat"].count("-") == 4
    assert "~ " in rows["network"]
    assert rows["ae"].count("[") == 1


def test_wide_matrices_are_printed_in_blocks(tmp_path):
    generator = torch.Generator().manual_seed(0)
    many = [model_of(f"a_model_of_many_{place}", [torch.randn(60, 2, generator=generator)]) for place in range(14)]
    text = render_similarity(compare_models("digits", many, [asked(Shared)], tmp_path))
    assert max(map(len, text.splitlines())) <= 80
    rows = [line for line in text.splitlines() if "a_model_of_many_3 " in line]
    assert len(rows) >= 2
    assert sum(len(line.split()) for line in rows) >= 14


def test_csv_reads_back_exactly(similarity):
    rows = list(csv.DictReader(io.StringIO(render_similarity(similarity, "csv"))))
    assert len(rows) == 2 * 16
    for row in rows:
        matrix = similarity.matrices[row["score"] == "explained"]
        cell = matrix.cells[row["row"], row["column"]]
        assert row["mean"] == ("" if not cell.has_value else repr(cell.mean))
        assert row["null_quantile"] == ("" if cell.null is None else repr(cell.null.quantile))
        assert row["reason"] == cell.reason


def test_seeds_and_references_stand_in_tables(similarity):
    shown = displays(similarity)[0]
    assert {row.words: row.last for row in shown.rows} == {
        ("ae", ""): "3",
        ("vae", ""): "3",
        ("network", ""): "3",
        ("flat", "floor"): "1",
    }
    assert "| flat | floor |" in render_similarity(similarity, "md")


def test_calibrated_numbers_are_told_as_such(similarity):
    cell = similarity.matrices[0].cells["ae", "vae"]
    text = render_similarity(similarity, calibrated=True)
    assert "shared as a share of the way from unrelated spaces to equal ones" in text
    assert f"{cell.calibrated:.3f}".removeprefix("0") in text


def test_another_form_is_refused(similarity):
    with pytest.raises(RequestError, match="printed as text, md, csv, latex, html, not 'pdf'"):
        render_similarity(similarity, "pdf")
