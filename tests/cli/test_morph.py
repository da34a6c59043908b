import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from latentbench.explore.morph import blended, morphed, morphed_sheet, numbers
from latentbench.latent.paths.interpolation import PATHS, interpolate, leg_ends, simplex_weights
from latentbench.results import Results

PLUGIN = '''
from latentbench import Model, hookimpl

class Blind(Model):
    """Has no decoder."""
    decoder = "none"
    class Params(Model.Params):
        latent_dim: int = 3
    def fit(self, train, generator): pass
    def encode(self, inputs): return inputs.flatten(1)[:, 10:13]
    def get_state(self): return {}
    def set_state(self, state): pass

@hookimpl
def register_models(register):
    register("blind", Blind, summary="has no decoder")
'''
TOML = """
models = ["vae", "blind"]
references = []
maps = []
seeds = 1
scores = ["r2"]
params = {latent_dim = 3}
budget = {epochs = 2, batch_size = 64, train_limit = 400}
[on.digits]
budget = {epochs = 2}
"""


@pytest.fixture(scope="module")
def folder(finished_run):
    return finished_run(TOML, plugin=PLUGIN).parent


@pytest.fixture
def morph(folder, cli):
    """A function that types the verb and returns its status, the paths it told, and its messages."""

    def call(*words, model="vae"):
        plugin = "--plugin", folder / "plugin.py"
        status, out, err = cli("morph", folder / "run", *plugin, "--model", model, *words)
        return status, out.splitlines(), err

    return call


@pytest.fixture(scope="module")
def space(folder):
    results = Results(folder / "run")
    return results.latent_space(next(trial for trial in results.trials if trial.label == "vae"))


def opened(path):
    return Image.open(io.BytesIO(Path(path).read_bytes()))


def rows_of(table, path):
    return table[table["path"] == path].reset_index(drop=True)


def codes_of(table):
    return torch.tensor(table[["z0", "z1", "z2"]].to_numpy(), dtype=torch.float32)


def test_a_strip_an_animation_and_numbers(morph, space, tmp_path):
    status, written, err = morph("--from", 12, "--to", 45, "-o", tmp_path, "--points", 7)
    assert (status, err) == (0, "")
    assert written == [
        str(tmp_path / f"digits-vae-seed0-12-45-points=7.{ending}") for ending in ("png", "webp", "csv")
    ]
    sheet, moving = opened(written[0]), opened(written[1])
    assert sheet.width > 7 * 56
    assert sheet.height > 3 * 56
    assert '"items": [12, 45]' in sheet.info["Description"]
    assert moving.n_frames == 80
    assert moving.width >= 3 * 112
    table = pd.read_csv(written[2])
    assert table.columns.tolist() == [
        "path", "point", "t", "step", "code_step", "nearest", "nearest_item", "z0", "z1", "z2"
    ]  # fmt: skip
    assert table["path"].tolist() == ["linear"] * 7 + ["pixel fade"] * 7 + ["optimal transport"] * 7
    assert rows_of(table, "linear")["t"].tolist() == pytest.approx(np.linspace(0, 1, 7))


def test_numbers_are_those_of_the_codes(morph, space, tmp_path):
    _, written, _ = morph(
        "--from", 3, "--via", 8, "--to", 20, "--path", "all", "-o", tmp_path, "--animation", "none"
    )
    assert [path.rpartition(".")[2] for path in written] == ["png", "csv"]
    assert written[0].endswith("digits-vae-seed0-3-8-20-path=all.png")
    table = pd.read_csv(written[1])
    assert table["path"].unique().tolist() == [*PATHS, "pixel fade", "optimal transport"]
    for path in PATHS:
        rows = rows_of(table, path)
        codes = codes_of(rows)
        expected = interpolate(space, space.codes[[3, 8, 20]], 12, path)
        torch.testing.assert_close(codes, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(codes[leg_ends(3, 12)], space.codes[[3, 8, 20]])
        images = space.decode(codes).flatten(1).double()
        assert np.isnan(rows["step"][0])
        np.testing.assert_allclose(rows["step"][1:], images.diff(dim=0).norm(dim=1), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(rows["code_step"][1:], codes.diff(dim=0).norm(dim=1), rtol=1e-3, atol=1e-5)
        far = torch.cdist(codes.double(), space.codes.double())
        assert not set(rows["nearest_item"]) & {3, 8, 20}
        np.testing.assert_allclose(
            rows["nearest"], far.numpy()[range(12), rows["nearest_item"].astype(int)], rtol=1e-4, atol=1e-5
        )
        far[:, [3, 8, 20]] = torch.inf
        np.testing.assert_allclose(rows["nearest"], far.amin(1), rtol=1e-4, atol=1e-5)
    fade = rows_of(table, "pixel fade")
    steps = (space.inputs[8] - space.inputs[3]).norm() / 5
    np.testing.assert_allclose(fade["step"][1:6], float(steps), rtol=1e-4)
    assert fade[["code_step", "nearest", "z0"]].isna().all().all()


def test_ways_beside_the_codes_begin_and_end_with_the_items(space):
    morph = morphed(space, [3, 8, 20], 9, ["linear"])
    for row in morph.rows[1:]:
        torch.testing.assert_close(row.images[[0, 4, 8]], space.inputs[[3, 8, 20]], rtol=0, atol=1e-6)
    assert [row.name for row in morph.rows] == ["linear", "pixel fade", "optimal transport"]
    masses = morph.rows[2].images[:5].sum((1, 2, 3))
    torch.testing.assert_close(masses, torch.linspace(float(masses[0]), float(masses[-1]), 5), rtol=1e-4, atol=0)


def test_the_sheet_says_where_the_items_are(space):
    sheet = morphed_sheet(morphed(space, [3, 8, 20], 5, ["linear", "norm"]), "title")
    assert sheet.columns == ["item 3", "0.25", "item 8", "0.75", "item 20"]
    assert list(sheet.rows) == list(sheet.curves) == ["linear", "norm", "pixel fade", "optimal transport"]
    assert sheet.images.shape == (4, 5, 1, 8, 8)
    assert all(len(values) == 4 for values in sheet.curves.values())


@pytest.mark.parametrize("path", PATHS)
def test_each_path_alone(morph, tmp_path, path):
    status, written, _ = morph(
        "--from",
        0,
        "--to",
        1,
        "--path",
        path,
        "--points",
        4,
        "--format",
        "svg",
        "--animation",
        "gif",
        "-o",
        tmp_path,
    )
    assert status == 0
    assert [re.sub(r".*\.", "", name) for name in written] == ["svg", "gif", "csv"]
    svg = Path(written[0]).read_text()
    assert f">{path}<" in svg
    assert ">From item 0 (class 7) to item 1 (class 6): vae on digits, seed 0<" in svg
    assert opened(written[1]).format == "GIF"


def test_the_same_command_writes_the_same_files(morph, tmp_path):
    for name in ("a", "b"):
        assert morph("--from", 5, "--to", 6, "--path", "geodesic,graph", "-o", tmp_path / name)[0] == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [f"digits-vae-seed0-5-6-path=geodesic_graph.{ending}" for ending in ("csv", "png", "webp")]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_figures_go_into_the_run_unless_told(morph, folder):
    status, written, _ = morph("--from", 1, "--to", 2, "--points", 3, "--animation", "none")
    assert status == 0
    assert written[0] == str(folder / "run" / "morph" / "digits-vae-seed0-1-2-points=3.png")


def test_a_blend_of_three_and_of_four(morph, tmp_path):
    for items, points, count in (("3,50,77", 3, 6), ("3,50,77,8", 2, 4)):
        arguments = "--path", "linear,slerp", "--points", points, "-o", tmp_path
        status, written, err = morph("--blend", items, *arguments)
        assert (status, err) == (0, "")
        name = f"digits-vae-seed0-blend-{items.replace(',', '-')}-path=linear_slerp-points={points}"
        assert written == [str(tmp_path / f"{name}.{end}") for end in ("png", "csv")]
        table = pd.read_csv(written[1])
        assert len(table) == 4 * count
        weights = [f"weight_{item}" for item in items.split(",")]
        rows = rows_of(table, "slerp")
        np.testing.assert_allclose(rows[weights], simplex_weights(len(weights), points - 1))
        assert table["path"].unique().tolist() == ["linear", "slerp", "pixel fade", "optimal transport"]
        assert opened(written[0]).width > 4 * points * 56


def test_a_blend_meets_its_items(space):
    morph = blended(space, [3, 50, 77], 1, ["linear", "geodesic"])
    for row in morph.rows[:2]:
        torch.testing.assert_close(row.codes, space.codes[[3, 50, 77]])
    for row in morph.rows[2:]:
        torch.testing.assert_close(row.images, space.inputs[[3, 50, 77]], rtol=0, atol=1e-6)
    table = numbers(space, morph)
    assert "t" not in table
    assert "step" not in table


# wrong requests

WRONG = {
    "nothing": ([], "give the two test items --from and --to, or three or four with --blend"),
    "no end": (["--from", 1], "give the two test items --from and --to, or three or four with --blend"),
    "outside": (["--from", 1, "--to", 99999], "--to must be a test item from 0 to "),
    "negative": (["--from", -1, "--to", 2], "--from must be a test item from 0 to "),
    "via outside": (["--from", 1, "--via", 99999, "--to", 2], "--via must be a test item from 0 to "),
    "equal": (["--from", 7, "--to", 7], "--from and --to must be two different items, got item 7 twice"),
    "equal via": (
        ["--from", 7, "--via", 7, "--to", 8],
        "--from and --via must be two different items, got item 7 twice",
    ),
    "unknown path": (
        ["--from", 1, "--to", 2, "--path", "geodesik"],
        "there is no path 'geodesik'; did you mean 'geodesic'?; there are linear, slerp, norm, geodesic, graph",
    ),
    "no path": (["--from", 1, "--to", 2, "--path", ""], "'--path': expected a name, got ''"),
    "points": (
        ["--from", 1, "--via", 5, "--to", 2, "--points", 2],
        "--points must be at least 3 for these items, got 2",
    ),
    "both": (["--from", 1, "--to", 2, "--blend", "1,2,3"], "give --from and --to, or --blend, not both"),
    "two corners": (["--blend", "1,2"], "--blend takes three or four different test items as in 3,50,77, got 1,2"),
    "equal corners": (["--blend", "1,2,2"], "--blend takes three or four different test items"),
    "corner outside": (["--blend", "1,2,99999"], "--blend must be a test item from 0 to "),
    "blend of one": (["--blend", "1,2,3", "--points", 1], "--points must be at least 2 for these items, got 1"),
    "no numbers": (["--blend", "1,x,3"], "expected whole numbers separated by commas, got '1,x,3'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_ends_with_status_2_and_one_sentence(morph, tmp_path, case):
    arguments, sentence = WRONG[case]
    status, out, err = morph(*arguments, "-o", tmp_path)
    assert (status, out) == (2, [])
    assert sentence in err
    assert "Traceback" not in err
    if err.startswith("latentbench: "):
        assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["linear", "geodesic", "graph", "all"])
@pytest.mark.parametrize("items", [["--from", 1, "--to", 2], ["--blend", "1,2,3"]], ids=["way", "blend"])
def test_a_model_without_a_decoder_is_refused(morph, tmp_path, path, items):
    status, out, err = morph(*items, "--path", path, "-o", tmp_path, model="blind")
    assert (status, out) == (2, [])
    assert re.fullmatch(r"latentbench: blind on digits: no decoder.*; choose another --model\n", err)
    assert not list(tmp_path.iterdir())


# meshes


def test_images_have_no_meshes(morph, tmp_path):
    message = "latentbench: a mesh needs grids of distances (n, 1, depth, height, width), got "
    for arguments, sentence in (
        (["--from", 1, "--to", 2, "--points", 3, "--animation", "none"], message),
        (
            ["--blend", "1,2,3"],
            "latentbench: --meshes goes with --from and --to, not with --blend; leave one out\n",
        ),
    ):
        status, out, err = morph(*arguments, "--meshes", "-o", tmp_path)
        assert (status, out) == (2, [])
        assert err.startswith(sentence)
        assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
