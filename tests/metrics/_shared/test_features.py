from __future__ import annotations

import time

import pytest
import torch

from latentbench import LatentSpace, NotApplicableError, cache_dir
from latentbench.latent.sampling import sample_codes
from latentbench_metrics._shared import features
from latentbench_metrics._shared.features import in_domain_features, known_features, new_features


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(features, "_networks", {})


@pytest.fixture
def quick(monkeypatch):
    """Train for one pass: enough where only the bookkeeping is looked at."""
    monkeypatch.setattr(features, "ITEMS", 1)
    monkeypatch.setattr(features, "EPOCHS", (1, 1))


def files():
    return sorted(path for path in cache_dir().rglob("*") if path.is_file())


def accuracy(network, inputs, labels):
    with torch.no_grad():
        return float((network.head(network.features(inputs)).argmax(1) == labels).float().mean())


def test_features_of_digits_are_good_and_quick(space):
    begin = time.perf_counter()
    values = in_domain_features(space)(space.inputs)
    assert time.perf_counter() - begin < 10  # about 2 s on an idle core
    assert values.shape == (len(space), 64)
    assert values.dtype == torch.float32
    (network,) = features._networks.values()
    assert accuracy(network, space.inputs, space.labels) > 0.95


def test_loaded_and_trained_networks_give_the_same_bits(quick, monkeypatch, space):
    trained = in_domain_features(space)(space.inputs)
    (path,) = files()
    features._networks.clear()
    monkeypatch.setattr(features, "_train", lambda *_: pytest.fail("trained again"))
    assert torch.equal(in_domain_features(space)(space.inputs), trained)
    monkeypatch.undo()
    assert path.suffix == ".safetensors"


def test_training_is_repeatable_whatever_the_caller_does(quick, monkeypatch, space, tmp_path):
    first = in_domain_features(space)(space.inputs)
    features._networks.clear()
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "other"))
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            assert torch.equal(in_domain_features(space)(space.inputs), first)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_file_is_named_after_data_shape_and_version(quick, monkeypatch, make_space):
    in_domain_features(make_space(fingerprint="f" * 64))
    in_domain_features(make_space())
    monkeypatch.setattr(features, "FEATURES_VERSION", 99)
    in_domain_features(make_space(fingerprint="f" * 64))
    names = [path.name for path in files()]
    assert f"{'f' * 32}-1297x1x8x8-v3.safetensors" in names
    assert f"{'f' * 32}-1297x1x8x8-v99.safetensors" in names
    assert len(names) == 3


def test_other_data_gives_another_network(quick, digits, make_space):
    images, labels, _, _ = digits
    other = LatentSpace.from_arrays(codes=images.flatten(1), inputs=1 - images, labels=labels)
    in_domain_features(make_space())
    in_domain_features(make_space(train=other))
    assert len(files()) == 2


def test_a_cache_that_cannot_be_written_only_warns(quick, monkeypatch, space, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="not kept for next time"):
        extract = in_domain_features(space)
    assert extract(space.inputs).isfinite().all()
    in_domain_features(space)  # in memory now: no second warning


def test_a_damaged_file_is_made_again(quick, space):
    expected = in_domain_features(space)(space.inputs)
    (path,) = files()
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    features._networks.clear()
    with pytest.warns(UserWarning, match="damaged and is made again"):
        assert torch.equal(in_domain_features(space)(space.inputs), expected)
    assert path.read_bytes() == whole


def test_images_are_clipped_to_the_training_range(quick, space):
    extract = in_domain_features(space)
    assert torch.equal(extract(3 * space.inputs - 1), extract((3 * space.inputs - 1).clamp(0, 1)))


def test_arrays_that_are_not_images_have_features_too(quick, space):
    def look(source, **more):
        table = torch.cat([source.inputs.flatten(1), torch.ones(len(source), 1)], 1)  # one column is constant
        return LatentSpace.from_arrays(codes=source.codes, inputs=table, labels=source.labels, **more)

    table = look(space, train=look(space.train))
    values = in_domain_features(table)(table.inputs)
    assert values.shape == (len(space), 64)
    assert values.isfinite().all()
    assert float(values.std()) > 0


def test_without_labelled_training_data_there_are_no_features(space):
    for train in (None, LatentSpace.from_arrays(codes=space.codes, inputs=space.inputs)):
        with pytest.raises(NotApplicableError):
            in_domain_features(LatentSpace.from_arrays(codes=space.codes, train=train))
    single = LatentSpace.from_arrays(codes=space.codes, inputs=space.inputs, labels=torch.zeros(len(space)))
    with pytest.raises(NotApplicableError, match="single class"):
        in_domain_features(LatentSpace.from_arrays(codes=space.codes, train=single))


def test_fashion_mnist_is_classified(fashion_mnist):
    images, labels, test_images, test_labels = fashion_mnist
    train = LatentSpace.from_arrays(codes=torch.zeros(len(images), 1), inputs=images, labels=labels)
    in_domain_features(LatentSpace.from_arrays(codes=torch.zeros(2, 1), train=train))
    (network,) = features._networks.values()
    assert accuracy(network, test_images, test_labels) > 0.85


def test_new_images_are_drawn_once_for_all_metrics_of_a_model(quick, space):
    decoded = []

    def decode(codes):
        decoded.append(len(codes))
        return space.decode(codes)

    first = space.replaced(decode=decode)
    expected = in_domain_features(space)(space.decode(sample_codes(space, 60, 0)))
    for _ in range(2):
        assert torch.equal(new_features(first, 60, 0), expected)
    assert decoded == [60]
    assert not torch.equal(new_features(first, 60, 1), expected)
    new_features(first, 60, 0).zero_()
    assert torch.equal(new_features(first, 60, 0), expected)
    blank = first.replaced(decode=lambda codes: 0 * space.decode(codes))  # another model on the same data
    assert not torch.equal(new_features(blank, 60, 0), expected)


def test_features_of_the_data_are_read_once(quick, space, monkeypatch):
    named = space.replaced(fingerprint="f" * 64)
    expected = in_domain_features(named)(named.inputs)
    assert torch.equal(known_features(named, named.inputs), expected)
    monkeypatch.setattr(features._Network, "read", None)
    assert torch.equal(known_features(named, named.inputs.clone()), expected)
