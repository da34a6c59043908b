"""Tours on the page."""

import pytest

from latentbench.report.page import films
from latentbench.report.page.films import tour_films
from latentbench.report.page.write import write_report

FILM = b"RIFF0000WEBP a film"


@pytest.fixture
def results(builder, seen, tmp_path):
    (tmp_path / "tour").mkdir()
    return seen(builder.add("beta_vae(4)", {"r2": 0.5}).add("ae", {"r2": 0.4}).results(path=tmp_path))


def keep(results, name, content=FILM):
    (results.path / "tour" / name).write_bytes(content)


def test_tours_of_the_data_set_are_shown_folded_near_the_maps(results, tmp_path):
    keep(results, "fashion_mnist-beta_vae_4-seed1-tsne.webp")
    keep(results, "fashion_mnist-ae-seed0-tsne-clusters=8.gif", b"GIF89a a film")
    keep(results, "fashion_mnist-ae-seed10-tsne.webp")
    keep(results, "digits-ae-seed0-tsne.webp")
    (shown, left_out) = tour_films(results, "fashion_mnist")
    assert [(film.label, film.uri[:15]) for film in shown] == [
        ("beta_vae(4), seed 1", "data:image/webp"), ("ae, seed 0", "data:image/gif;"),
    ]  # fmt: skip
    assert left_out == ""
    with pytest.warns(UserWarning, match="environment"):
        text = write_report(results, [], tmp_path / "report.html").read_text()
    assert text.index("maps-data-1") < text.index("Tour of beta_vae(4), seed 1") < text.index("scores-1")


def test_what_is_no_film_is_passed_over_and_what_is_too_large_is_named(results, monkeypatch):
    monkeypatch.setattr(films, "MOST_BYTES", len(FILM))
    keep(results, "fashion_mnist-ae-seed0-tsne.webp", b"<svg onload=...>")
    (results.path / "tour" / "fashion_mnist-ae-seed1-tsne.webp").mkdir()
    keep(results, "fashion_mnist-ae-seed2-pca.webp")
    keep(results, "fashion_mnist-ae-seed2-tsne.webp")
    with pytest.warns(UserWarning, match="left out of the page") as warned:
        shown, left_out = tour_films(results, "fashion_mnist")
    assert [film.label for film in shown] == ["ae, seed 2"]
    assert left_out == (
        "Left out, as they would make this page too large: fashion_mnist-ae-seed2-tsne.webp in the folder tour."
    )
    assert [str(each.message).rpartition(": ")[2] for each in warned] == ["it is no film", "a folder is there"]


def test_a_run_without_tours_has_none(builder):
    assert tour_films(builder.add("ae", {"r2": 0.1}).results(), "fashion_mnist") == ([], "")
