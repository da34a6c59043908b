import functools
import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pytest

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets.fashion_mnist import FashionMNIST
from latentbench_datasets.mnist import MNIST

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ADVICE = "give a folder with the four idx files as `-p mnist.path=FOLDER`"


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def arrays():
    draw = np.random.default_rng(0)
    return [
        draw.integers(0, 256, (20, 28, 28)),
        np.arange(20) % 10,
        draw.integers(0, 256, (10, 28, 28)),
        np.arange(10),
    ]


def write(folder):
    folder.mkdir(parents=True)
    for name, array in zip(NAMES, arrays(), strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return folder


def dataset(path=None, **params):
    return MNIST(MNIST.Params(path=path, **params))


def assert_holds(data):
    train, test = data.load()
    images, labels, test_images, test_labels = arrays()
    np.testing.assert_array_equal(train.inputs, images[:, None])
    np.testing.assert_array_equal(train.labels, labels)
    np.testing.assert_array_equal(test.inputs, test_images[:, None])
    np.testing.assert_array_equal(test.labels, test_labels)


def test_a_folder_given_by_parameter(tmp_path):
    data = dataset(write(tmp_path / "given"))
    assert_holds(data)
    assert data.fingerprint() == fingerprint_arrays(*data.load())


@pytest.mark.parametrize("binarize", ["none", "static"])
def test_it_keeps_every_rule(tmp_path, binarize, broken_rules):
    assert broken_rules("mnist", params={"path": write(tmp_path / "given"), "binarize": binarize}) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError) as caught:
        dataset(tmp_path / "none").load()
    assert str(caught.value) == (
        f"{tmp_path}/none must be a folder with the idx files of MNIST, it cannot be read "
        f"(No such file or directory); {ADVICE}"
    )


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror on this machine with small files, that torchvision knows by their md5."""
    folder = write(tmp_path / "served")
    resources = [
        (path.name, hashlib.md5(path.read_bytes()).hexdigest())  # noqa: S324 - the mirror's own checksum
        for path in (folder / f"{name}.gz" for name in NAMES)
    ]

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", resources)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_files_are_downloaded_into_a_cache_of_their_own_once(tmp_path, mirror):
    assert_holds(dataset())
    assert sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir()) == sorted(
        f"{name}.gz" for name in NAMES
    )
    for path in mirror.iterdir():
        path.unlink()
    assert_holds(dataset())


def test_a_failed_download_is_one_sentence(tmp_path, mirror):
    (mirror / f"{NAMES[2]}.gz").write_bytes(b"other")
    with pytest.raises(DataError) as caught:
        dataset().load()
    sentence = str(caught.value)
    assert sentence.startswith(f"MNIST cannot be downloaded to {tmp_path}/cache/mnist: http://127.0.0.1")
    assert sentence.endswith(f"gave File not found or corrupted; {ADVICE}")
    assert list((tmp_path / "cache" / "mnist").iterdir()) == []


@pytest.mark.parametrize("rows", [60000, 10000])
def test_whole_files_must_be_the_published_ones(tmp_path, monkeypatch, rows):
    labels = {cls: np.repeat(np.arange(10), cls.class_counts[rows]) for cls in (MNIST, FashionMNIST)}
    file, images = tmp_path / "labels", tmp_path / "images"
    images.write_bytes(idx(np.zeros((rows, 28, 28), np.uint8)))
    digest = hashlib.sha256(images.read_bytes()).hexdigest()
    for cls, others in ((MNIST, FashionMNIST), (FashionMNIST, MNIST)):
        file.write_bytes(idx(labels[cls]))
        assert cls.class_counts[rows] == tuple(np.bincount(labels[cls]))
        with pytest.raises(
            DataError, match=f"^{file} must hold the labels of {others.title}, .* of another dataset"
        ):
            others(others.Params())._read_split(images, file)
        for which, bad in ((digest, file), (cls.digests[rows][0], images)):
            monkeypatch.setattr(cls, "digests", {rows: (which, cls.digests[rows][1])})
            with pytest.raises(DataError) as caught:
                cls(cls.Params())._read_split(images, file)
            assert str(caught.value) == (
                f"{bad} must hold the {rows} rows of {cls.title} as published, in that order, it has as many but "
                f"its sha256 differs; {cls.advice}, or save a copy changed on purpose as .npz for `-d copy.npz`"
            )
            monkeypatch.undo()
        monkeypatch.setattr(cls, "digests", {rows: (digest, hashlib.sha256(file.read_bytes()).hexdigest())})
        np.testing.assert_array_equal(cls(cls.Params())._read_split(images, file).labels, labels[cls])
        monkeypatch.undo()


def test_none_leaves_the_grey_values(tmp_path):
    assert_holds(dataset(write(tmp_path / "given"), binarize="none"))


def test_a_threshold_makes_pixels_white_that_are_over_half(tmp_path):
    splits = dataset(write(tmp_path / "given"), binarize="threshold").load()
    for split, images in zip(splits, arrays()[::2], strict=True):
        assert split.inputs.dtype == np.uint8
        np.testing.assert_array_equal(split.inputs[:, 0], 255 * (images / 255 > 0.5))


def test_static_draws_each_pixel_by_its_grey_value(monkeypatch, tmp_path):
    levels = np.tile(np.arange(256)[:, None, None], (1, 28, 28))
    write(tmp_path / "given")
    for name in NAMES:
        file = levels if "images" in name else np.arange(256) % 10
        (tmp_path / "given" / f"{name}.gz").write_bytes(gzip.compress(idx(file)))
    train, test = dataset(tmp_path / "given", binarize="static").load()
    for split in (train, test):
        assert set(np.unique(split.inputs)) == {0, 255}
        share = split.inputs.reshape(256, -1).mean(1) / 255
        assert share[0] == 0
        assert share[255] == 1
        assert abs(share - np.arange(256) / 255).max() < 4.5 * 0.5 / 28
        assert abs((share - np.arange(256) / 255).mean()) < 4 * 0.41 / 28 / 16
    middle = slice(100, 156)
    alike = (train.inputs[middle] == test.inputs[middle]).mean()
    assert alike == pytest.approx(0.5, abs=0.03)  # test is drawn anew


def test_static_pixels_are_always_the_same_and_belong_to_their_row(tmp_path):
    folder = write(tmp_path / "given")
    whole, _ = dataset(folder, binarize="static").load()
    again, _ = dataset(folder, binarize="static").load()
    some, _ = dataset(folder, binarize="static", classes=(3, 8)).load()
    np.testing.assert_array_equal(again.inputs, whole.inputs)
    np.testing.assert_array_equal(some.inputs, whole.inputs[np.isin(whole.labels, (3, 8))])


def test_binarizing_changes_the_fingerprint_and_it_is_remembered(tmp_path, monkeypatch):
    folder = write(tmp_path / "given")
    ways = ("none", "threshold", "static")
    fingerprints = [dataset(folder, binarize=how).fingerprint() for how in ways]
    assert len(set(fingerprints)) == 3
    assert fingerprints == [fingerprint_arrays(*dataset(folder, binarize=how).load()) for how in ways]
    assert dataset(folder).fingerprint() == fingerprints[0]
    monkeypatch.setattr(MNIST, "load", None)
    assert [dataset(folder, binarize=how).fingerprint() for how in ways] == fingerprints
