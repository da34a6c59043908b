"""The page of published numbers says what was kept, judges it by its bands, and its commands run on any files."""

import gzip
import math
import struct
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TINY = {"epochs": 1, "batch_size": 50, "learning_rate": 1e-3}
SMALLER = {"channels": 2, "pseudo_inputs": 5, "samples": 2}


@pytest.fixture(scope="module")
def obtained(script):
    return script("obtained.py")


def table_lines(obtained):
    page = obtained.PAGE.read_text(encoding="utf-8")
    lines = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines if line[0].strip() not in ("model", "---")]


def test_the_page_is_what_the_rows_and_the_kept_numbers_give(obtained):
    written = obtained.page([*obtained.ROWS.values()], obtained.read_kept())
    assert obtained.PAGE.read_text(encoding="utf-8") == written


def test_kept_numbers_are_those_of_the_rows(obtained):
    for name, made in obtained.read_kept().items():
        assert made["values"].keys() == obtained.ROWS[name].numbers.keys(), name


def test_every_number_has_a_line_and_the_verdict_of_its_band(obtained):
    lines = table_lines(obtained)
    assert len(lines) == sum(len(row.numbers) for row in obtained.ROWS.values())
    for line in lines:
        value, (low, high), outcome = line[3], line[4].split(" to "), line[-1]
        if value:
            assert outcome == ("green" if float(low) <= float(value) <= float(high) else "**outside**"), line
        else:
            assert outcome.startswith(("not made", "needs")), line


def test_every_row_names_its_source_its_reason_and_its_command(obtained):
    page = obtained.PAGE.read_text(encoding="utf-8")
    for row in obtained.ROWS.values():
        assert row.why
        assert row.setup
        assert f"`python benchmarks/obtained.py {row.name}`" in page
        assert not row.counted or "](https://" in row.source
        assert all(number.low <= number.high for number in row.numbers.values())


def test_rows_of_one_setup_count_once_and_references_of_our_own_never(obtained):
    from benchmarks.published.page import count

    row = obtained.ROWS["cka-normal"]
    rows = [replace(row, name=name) for name in "ab"] + [replace(row, name="c", setup="other")]
    inside, outside = ({"values": {"cka": value}, "seconds": 1.0} for value in (0.51346, 0.6))
    kept = {"a": inside, "b": outside, "c": inside, "d": inside}
    counts = count([*rows, replace(row, name="d", setup="own", counted=False)], kept)
    assert (counts.numbers, counts.rows, counts.setups, counts.seconds) == ((2, 3), (2, 3), (2, 1, 2), 3.0)


def test_at_least_eight_rows_of_six_setups_are_green(obtained):
    from benchmarks.published.page import count

    counts = count(obtained.ROWS.values(), obtained.read_kept())
    assert counts.rows[0] >= 8
    assert counts.setups[1] >= 6


def test_rows_outside_say_what_was_tried(obtained):
    from benchmarks.published.page import verdicts
    from benchmarks.published.rows import OUTSIDE

    kept = obtained.read_kept()
    missed = [row for row in obtained.ROWS.values() if row.counted and OUTSIDE in verdicts(row, kept)]
    assert all(row.tried for row in missed), [row.name for row in missed]


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture
def few_images(tmp_path):
    """Files in the form of those of MNIST and dSprites."""
    rng = np.random.default_rng(0)
    for name, rows in (("train", 200), ("t10k", 60)):
        write_idx(tmp_path / f"{name}-images-idx3-ubyte.gz", rng.integers(0, 256, (rows, 28, 28)))
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte.gz", np.arange(rows) % 10)
    grid = np.array(list(product(*map(range, (1, 3, 2, 4, 2, 2)))))
    images = rng.integers(0, 2, (len(grid), 64, 64), dtype=np.uint8)
    np.savez(tmp_path / "sprites.npz", imgs=images, latents_classes=grid, latents_values=grid / 2)
    return {"mnist": f"mnist:binarize=static:path={tmp_path}",
            "dsprites": f"dsprites:path={tmp_path}/sprites.npz:train=60:test=30"}  # fmt: skip


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("vamp-mnist", "iwae-mnist", "tcvae-dsprites")]


@pytest.mark.parametrize("name", ["vae-mnist", *SLOW])
def test_a_row_whose_data_are_not_here_runs_on_files_of_their_form(
    obtained, few_images, tmp_path, monkeypatch, name
):
    from benchmarks.published import data, elsewhere

    benchmark = elsewhere.BENCHMARKS[name]
    params = {key: SMALLER.get(key, value) for key, value in benchmark["params"].items()}
    small = {**benchmark, "datasets": (few_images[name.partition("-")[2]],), "budget": TINY, "params": params}
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "RESULTS", tmp_path)
    monkeypatch.setitem(elsewhere.BENCHMARKS, name, small)
    monkeypatch.setitem(elsewhere.LABELS, name, elsewhere.LABELS[name].replace("500", "5").replace("50", "2"))
    assert all(map(math.isfinite, obtained.ROWS[name].make().values()))
