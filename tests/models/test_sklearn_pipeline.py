import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from latentbench import DataSpec, LatentbenchError, NotApplicableError, Split
from latentbench.benchmark import read_benchmark
from latentbench.errors import RequestError
from latentbench.params import build_params
from latentbench.planning.settings import parameters_of
from latentbench_models.pipeline_text import read_pipeline
from latentbench_models.sklearn_pipeline import SklearnPipeline

INPUTS = (np.random.default_rng(0).normal(size=(80, 6)) * [1, 2, 3, 4, 5, 1000]).astype(np.float32)


def make(pipeline, latent_dim=2):
    params = build_params(
        SklearnPipeline.Params, {"pipeline": pipeline, "latent_dim": latent_dim}, "model 'sklearn'"
    )
    return SklearnPipeline(params, DataSpec.of(Split(INPUTS)))


def fitted(pipeline, latent_dim=2, seed=0):
    model = make(pipeline, latent_dim)
    model.fit(Split(INPUTS), torch.Generator().manual_seed(seed))
    return model


def test_three_lines_of_toml(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'models = ["sklearn", "vae"]\n[params]\nsklearn.pipeline = "StandardScaler | PCA(whiten=True)"\n'
    )
    benchmark = read_benchmark(tmp_path / "mine.toml")
    params = build_params(SklearnPipeline.Params, parameters_of(benchmark.params, "sklearn"), "model 'sklearn'")
    assert params.pipeline == "StandardScaler | PCA(whiten=True)"
    assert benchmark.models == ("sklearn", "vae")


def test_it_is_what_scikit_learn_gives():
    model = fitted("StandardScaler | PCA(whiten=True)")
    scaled = StandardScaler().fit(INPUTS)
    pca = PCA(2, whiten=True, random_state=0).fit(scaled.transform(INPUTS))
    codes = model.encode(torch.from_numpy(INPUTS))
    np.testing.assert_allclose(codes.abs(), np.abs(pca.transform(scaled.transform(INPUTS))), atol=1e-4)
    back = scaled.inverse_transform(pca.inverse_transform(pca.transform(scaled.transform(INPUTS))))
    np.testing.assert_allclose(model.decode(codes), back, atol=0.05)


@pytest.mark.parametrize(
    "pipeline", ["StandardScaler | PCA", "MinMaxScaler | TruncatedSVD", "FastICA", "FactorAnalysis"]
)
def test_it_is_reloaded_where_arrays_are_all_that_was_learned(pipeline):
    model, inputs = fitted(pipeline), torch.from_numpy(INPUTS)
    other = make(pipeline)
    other.set_state(model.get_state())
    assert torch.equal(other.encode(inputs), model.encode(inputs))


def test_what_holds_objects_is_not_reloaded_and_still_encodes():
    model = fitted("StandardScaler | KernelPCA(kernel='rbf')")
    assert model.get_state() is None
    assert model.encode(torch.from_numpy(INPUTS)).shape == (80, 2)
    with pytest.raises(NotApplicableError, match=r"no decoder \(The fit_inverse_transform parameter was not set"):
        model.decode(torch.zeros(2, 2))
    with pytest.raises(NotApplicableError, match=r"no decoder \(a step has no inverse_transform\)"):
        fitted("Nystroem").decode(torch.zeros(2, 2))


def test_the_seed_reaches_each_step():
    inputs = torch.from_numpy(INPUTS)
    draws = [fitted("GaussianRandomProjection", seed=seed).encode(inputs) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_the_same_pipeline_has_the_same_text():
    texts = {
        make(text).params.pipeline
        for text in ("StandardScaler|PCA( )", " sklearn.preprocessing.StandardScaler | PCA")
    }
    assert texts == {"StandardScaler | PCA"}


def test_codes_have_the_length_that_the_table_says():
    with pytest.raises(LatentbenchError, match="must give codes of latent_dim=2 numbers, got 3;"):
        fitted("PCA(n_components=3)")
    assert fitted("PCA(n_components=3)", latent_dim=3).get_state() is not None
    with pytest.raises(NotApplicableError, match="PCA cannot have latent_dim=7 here: n_components=7 must be"):
        fitted("PCA", latent_dim=7)
    with pytest.raises(LatentbenchError, match="cannot be fitted: The 'svd_solver' parameter of PCA must be"):
        fitted("PCA(svd_solver='fast')")


MISTAKES = {
    "PAC": "there is no 'PAC'; did you mean 'PCA'",
    "os.system": "there is no 'os.system'",
    "StandardScaler, PCA": "must be scikit-learn transformers joined by |",
    "PCA(": "must be scikit-learn transformers joined by |",
    "PCA(3)": "must have arguments by name, as PCA(whiten=True), not PCA(3)",
    "PCA(**{})": "must have arguments by name",
    "PCA(n_components=open('x'))": "must have plain values as arguments, n_components=open('x') is none",
    "PCA(whitten=True)": "must have known arguments, PCA has no 'whitten'; did you mean 'whiten'",
    "TSNE": "must transform new items, TSNE cannot",
    "TargetEncoder": "must learn without labels, TargetEncoder needs them",
    "SparseCoder": "must be written whole, SparseCoder cannot be made so",
    "lambda: 0": "must be scikit-learn transformers joined by |",
    "'PCA'.upper()": "must be scikit-learn transformers joined by |",
    "": "must be scikit-learn transformers joined by |",
    "PCA|" * 400 + "PCA": "must have at most 1000 characters",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_is_no_pipeline_is_refused_before_anything_runs(text):
    with pytest.raises(RequestError) as caught:
        make(text)
    assert MISTAKES[text] in str(caught.value)
    assert str(caught.value).startswith("model 'sklearn': pipeline ")
    assert "\n" not in str(caught.value)


def test_the_steps_are_known_transformers():
    (step,) = read_pipeline("decomposition.PCA(n_components=0.9)")
    assert (step.cls, step.arguments) == (PCA, {"n_components": 0.9})
