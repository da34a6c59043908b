"""What README.md and docs/ tell users to type is typed here, at small size."""

import gzip
import json
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.models import resnet18

from latentbench import cli
from latentbench.machine import freeze_memory
from latentbench.trial import Trial

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery.md"  # tests/test_gallery.py types its commands
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - {GALLERY})]
FEW = "r2,knn10,rate,mig"  # scores; the run that most pages read has all
SMALL = ["--epochs", "1", "--seeds", "1", "--train-limit", "150", "--workers", "0"]
INSTALLS = ("python -m pip install", "python -m pytest", "python -m venv", "bash .ci/run")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page):
    """Every `latentbench ...` in a code span or a shell block, once."""
    text = page.read_text()
    shell = "\n".join(blocks(page, "sh"))
    spans = re.findall(r"`(latentbench [^`\n]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    typed = [part.strip() for line in shell.splitlines() for part in line.split("&&")]
    return list(dict.fromkeys([c for c in typed if c.startswith("latentbench ")] + spans))


def write_idx(path, array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def write_photos(folder):
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            Image.fromarray(rng.integers(0, 256, (16, 16)).astype(np.uint8)).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module", autouse=True)
def _short_maps():
    """As few steps of t-SNE as scikit-learn takes, and none of UMAP, for which numba compiles half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ITERATIONS", "ITERATIONS_OF_FEW"):
            patch.setattr(f"latentbench.latent.maps.projection.{name}", 250)
        patch.setattr("latentbench.latent.maps.projection._umap", lambda points, seed, settings, begin: begin)
        yield


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with what the pages assume: a finished run, a small Fashion-MNIST, a model in a file."""
    folder = tmp_path_factory.mktemp("docs")
    data = folder / "idx"
    data.mkdir()
    rng = np.random.default_rng(0)
    for name, rows in (("train", 400), ("t10k", 250)):
        write_idx(data / f"{name}-images-idx3-ubyte.gz", rng.integers(0, 256, (rows, 28, 28)))
        write_idx(data / f"{name}-labels-idx1-ubyte.gz", np.arange(rows) % 10)
    (folder / "my_model.py").write_text(
        "from latentbench_models.vae import VAE\n\n\nclass MyModel(VAE):\n    '''A model of mine.'''\n"
    )
    for name in ("plugins.md", "how-to/large.md", "how-to/network.md", "scale.md"):
        for code in blocks(ROOT / "docs" / name, "python"):
            (folder / code.splitlines()[0].removeprefix("# ")).write_text(code)
    (benchmark,) = blocks(ROOT / "docs" / "tutorials" / "compare.md", "toml")
    (folder / "depth.toml").write_text(benchmark)
    write_photos(folder / "photos")
    torch.save(resnet18(weights=None).state_dict(), folder / "resnet18.pth")
    codes = rng.normal(size=(360, 4))  # as many as digits has test images
    np.save(folder / "a.npy", codes)
    np.save(folder / "mine.npy", codes)
    pd.DataFrame(codes[:, :2], columns=["x", "y"]).to_parquet(folder / "b.parquet")
    for name in ("c_0.csv", "c_1.csv"):
        pd.DataFrame(codes + rng.normal(size=codes.shape)).to_csv(folder / name, index=False)
    pd.DataFrame({"label": np.array(["cat", "dog", "emu"])[np.arange(360) % 3]}).to_csv(
        folder / "y.csv", index=False
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert status("latentbench run -m ae -m vae") == 0
    freeze_memory()  # what was imported by now stays
    return folder


def status(command):
    """Type a command; runs are made small. Returns the exit status."""
    words = shlex.split(command)[1:]
    if words[:1] == ["new"]:
        shutil.rmtree(words[2], ignore_errors=True)
    if words[:1] == ["run"]:
        few = {"-o", "-d", "--preset"} & set(words) and not {"-s", "my_plugin.py"} & set(words)
        words += [*SMALL, *(["-s", FEW] if few else [])]
        words += [] if "--max-items" in words else ["--max-items", "100"]
        words += ["--workers", "1"] if "--executor" in words else []
        words += ["--epochs", "40"] if "--checkpoints" in words else []
        if {"fashion_mnist", "standard"} & {word.partition(":")[0] for word in words}:
            words += ["-p", "fashion_mnist.path=idx"]
        if "sprites" in words:
            words += ["-p", "sprites.positions=4"]
    if words[:1] == ["score"] and {"-o", "-s"} & set(words):
        words += ["--workers", "0"]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    return ended.value.code


@pytest.mark.filterwarnings("ignore:network on digits. torchvision.models.resnet18 takes 3 channels")
@pytest.mark.parametrize("command", list(dict.fromkeys(c for page in PAGES for c in commands(page))))
def test_command_works(command, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    assert status(command) == 0, capsys.readouterr().err


def test_pages_hold_commands():
    assert len(commands(ROOT / "README.md")) >= 10
    assert commands(ROOT / "docs" / "plugins.md")


def test_readme_python_runs(capsys):
    (code,) = blocks(ROOT / "README.md", "python")
    assert len(code.splitlines()) <= 12
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert "silhouette" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["README.md", "docs/reading.md"])
def test_the_table_of_a_page_is_the_generated_one(name):
    text = (ROOT / name).read_text()
    path, table = re.search(r"<!-- begin (\S+) -->\n```text\n(.*?)```\n<!-- end -->", text, re.DOTALL).groups()
    assert table == (ROOT / path).read_text()
    assert "* " in table


@pytest.mark.parametrize("folder", ["digits-quick", "fashion_mnist-standard"])
def test_reference_results_hold_small_files_and_what_they_were_made_by(folder):
    """The tables in the tree are those of the scores beside them, and no weights are committed."""
    reference = ROOT / "results" / "reference" / folder
    files = [path for path in reference.rglob("*") if path.is_file()]
    assert {"run.json", "scores.csv", "table.md", "environment.json"} <= {path.name for path in files}
    assert {path.suffix for path in files} <= {".json", ".csv", ".md", ".txt", ".svg"}
    assert any(path.suffix == ".svg" for path in files)
    assert sum(path.stat().st_size for path in files) < 3e6
    scores = pd.read_csv(reference / "scores.csv")
    request = json.loads((reference / "run.json").read_text())
    assert set(scores["trial"]) == {Trial.from_json(trial).key for trial in request["trials"]}
    assert scores["status"].isin(["ok", "not applicable"]).all()
    row = next(line for line in (reference / "table.md").read_text().splitlines() if "| r2 |" in line)
    for label in ("pca", "pixels"):
        mean = scores[(scores["label"] == label) & (scores["score"] == "r2")]["value"].mean()
        assert f"{mean:.3f}".removeprefix("0") in row


def test_ci_runs_the_readme_test_command():
    install, test = blocks(ROOT / "README.md", "sh")[-1].strip().split(" && ")
    script = (ROOT / ".ci" / "run").read_text()
    assert install.replace("install -e", "install -q -e").replace("[test]", "[test,docs]") in script
    assert f"\n{test}\n" in script


def test_every_shell_line_is_a_known_kind():
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines() if line]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    assert [part for part in parts if not part.startswith(("latentbench ", *INSTALLS))] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_page_that_is_linked_exists(name):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text())
    assert len(links) >= 1
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_way_into_the_code_leads_somewhere():
    section = (ROOT / "README.md").read_text().split("Find your way in the code")[1]
    places = re.findall(r"`((?:latentbench|plugins)/[^`]+)`", section)
    assert len(places) >= 6
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_every_hook_has_a_row_in_the_docs():
    from latentbench import hookspecs

    names = [name for name in dir(hookspecs) if hasattr(getattr(hookspecs, name), "latentbench_spec")]
    page = (ROOT / "docs" / "plugins.md").read_text()
    assert len(names) >= 9
    assert [name for name in names if f"| `{name}(" not in page] == []


def test_every_column_has_a_row_in_the_docs(workplace):
    from latentbench import load_results

    page = (ROOT / "docs" / "results.md").read_text()
    columns = load_results(workplace / "results" / "digits-quick").scores.columns
    assert [name for name in columns if not re.search(rf"\b{name}\b", page)] == []


def test_exit_statuses_stand_in_help_and_docs(capsys):
    page = (ROOT / "docs" / "results.md").read_text()
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == ["0", "1", "2", "130"]


def test_example_plugin_is_in_the_table(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    assert (
        status("latentbench run --plugin my_plugin.py -m linear -m ae --epochs 2 --seeds 1 -o results/mine") == 0
    )
    shown = capsys.readouterr().out
    assert "linear" in shown
    assert "spread" in shown


def test_a_command_that_does_not_exist_would_be_noticed(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    assert status("latentbench frobnicate") == 2


def test_the_page_of_metrics_is_what_they_declare():
    subprocess.run([sys.executable, str(ROOT / "docs" / "make_metrics.py"), "--check"], check=True)


def test_the_page_of_models_is_what_they_declare():
    subprocess.run([sys.executable, str(ROOT / "docs" / "make_models.py"), "--check"], check=True)


def test_the_tables_of_the_reference_are_what_the_code_says():
    subprocess.run([sys.executable, str(ROOT / "docs" / "make_reference.py"), "--check"], check=True)


def test_the_site_has_every_page_in_its_navigation():
    config = (ROOT / "mkdocs.yml").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) >= 20
    waiting = re.findall(r"(?m)^not_in_nav: (\S+)", config)
    assert [page for page in pages if f": {page}\n" not in config and page not in waiting] == []


def test_every_link_between_pages_leads_somewhere():
    for page in (ROOT / "docs").rglob("*.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        missing = [link for link in links if not (page.parent / link).resolve().is_relative_to(ROOT / "docs")]
        missing += [link for link in links if not (page.parent / link).exists()]
        assert missing == [], page


def test_the_tutorial_reads_rows_of_the_table_of_the_quick_preset():
    (shown,) = blocks(ROOT / "docs" / "tutorials" / "table.md", "text")
    table = (ROOT / "results" / "reference" / "digits-quick" / "table.txt").read_text().splitlines()
    rows = [line for line in shown.splitlines() if "  " in line.strip()]
    assert len(rows) >= 6
    assert [row for row in rows if row not in table] == []


def test_every_score_function_names_its_source_and_its_traps():
    functions = re.split(r"(?m)^### `", (ROOT / "docs" / "metrics.md").read_text())[1:]
    functions = {text.split("(")[0]: text.split("\n### ")[0] for text in functions}
    promised = {
        "mse", "mae", "r2", "psnr", "ssim", "ms_ssim3", "bernoulli_nll", "bernoulli_excess", "gaussian_nll",
        "kl_normal", "rate", "elbo", "iwae", "silhouette", "davies_bouldin", "calinski_harabasz", "fisher_ratio",
        "knn_accuracy", "linear_probe_accuracy", "kmeans_agreement", "path_energy", "length_ratio",
        "second_difference", "step_cv", "geodesic_ratio", "jacobian_spectrum", "walk_kd", "class_switches",
        "acai_smoothness", "acai_mean_distance", "w2_squared", "w2_squared_split", "sliced_w2_squared",
        "bures_w2_squared", "sinkhorn_divergence", "class_transport", "mig", "mig_equal_width", "sap", "dci",
        "dci_scores", "factor_vae_score", "modularity", "infomec", "precision_recall_density_coverage",
        "frechet_distance", "kernel_distance", "two_nn", "two_nn_from_ratios", "levina_bickel", "trustworthiness",
        "continuity", "neighbor_recall", "distance_correlation", "triplet_accuracy", "active_units",
        "participation_ratio", "codebook_perplexity", "code_drift", "compression",
    }  # fmt: skip
    assert promised <= functions.keys(), promised - functions.keys()
    for name in promised:
        for part in ("- Source: ", "- Traps: ", ">>> "):
            assert part in functions[name], (name, part)
