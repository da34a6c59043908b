import functools
import gzip
import hashlib
import http.server
import json
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import fashion_mnist
from latentbench_datasets._shared import fingerprints, idx_dataset
from latentbench_datasets.fashion_mnist import DEBIAN_FOLDER, FashionMNIST

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ADVICE = (
    "give a folder with the four idx files as `-p fashion_mnist.path=FOLDER`, "
    "or install Debian's package dataset-fashion-mnist"
)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No Debian package, an empty cache, and a first warning yet to come."""
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    fingerprints._warn_once.cache_clear()


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def arrays(seed=0):
    draw = np.random.default_rng(seed)
    for rows in (20, 10):
        yield draw.integers(0, 256, (rows, 28, 28))
        yield np.arange(rows) % 10


def write(folder, pack=gzip.compress, suffix=".gz", seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays(seed), strict=True):
        (folder / f"{name}{suffix}").write_bytes(pack(idx(array)))
    return folder


def dataset(path=None):
    return FashionMNIST(FashionMNIST.Params(path=path))


def assert_holds(data, seed=0):
    train, test = data.load()
    images, labels, test_images, test_labels = arrays(seed)
    np.testing.assert_array_equal(train.inputs, images[:, None])
    np.testing.assert_array_equal(train.labels, labels)
    np.testing.assert_array_equal(test.inputs, test_images[:, None])
    np.testing.assert_array_equal(test.labels, test_labels)
    assert train.inputs.dtype == np.uint8
    assert train.labels.dtype == np.int64


# where the files come from


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (bytes, "")], ids=["gz", "plain"])
def test_a_folder_given_by_parameter(tmp_path, pack, suffix):
    assert_holds(dataset(write(tmp_path / "given", pack, suffix)))


def test_it_keeps_every_rule(tmp_path, broken_rules):
    assert broken_rules("fashion_mnist", params={"path": write(tmp_path / "given")}) == []


def test_a_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "given")
    assert_holds(dataset("~/given"))


def test_the_debian_package_comes_before_the_cache(tmp_path):
    write(tmp_path / "debian", seed=1)
    write(tmp_path / "cache" / "fashion_mnist", seed=2)
    assert_holds(dataset(), seed=1)


def test_an_incomplete_debian_package_is_passed_over(tmp_path):
    (write(tmp_path / "debian", seed=1) / f"{NAMES[3]}.gz").unlink()
    write(tmp_path / "cache" / "fashion_mnist", seed=2)
    assert_holds(dataset(), seed=2)


def test_a_folder_given_is_the_only_place_looked_at(tmp_path):
    write(tmp_path / "debian")
    (write(tmp_path / "given") / f"{NAMES[2]}.gz").unlink()
    with pytest.raises(DataError) as caught:
        dataset(tmp_path / "given").load()
    assert (
        str(caught.value) == f"{tmp_path}/given must hold {NAMES[2]} or {NAMES[2]}.gz, neither is there; {ADVICE}"
    )


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError) as caught:
        dataset(tmp_path / "none").fingerprint()
    assert str(caught.value) == (
        f"{tmp_path}/none must be a folder with the idx files of Fashion-MNIST, it cannot be read "
        f"(No such file or directory); {ADVICE}"
    )


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_thing():
    train, test = dataset(DEBIAN_FOLDER).load()
    assert train.inputs.shape == (60000, 1, 28, 28)
    assert test.inputs.shape == (10000, 1, 28, 28)
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert round(float(train.inputs.mean()), 2) == 72.94  # 0.2860 of 255, the mean that is commonly given


# downloads


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
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr("torchvision.datasets.FashionMNIST.mirrors", [address])
    monkeypatch.setattr("torchvision.datasets.FashionMNIST.resources", resources)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_files_are_downloaded_into_the_cache_once(tmp_path, mirror):
    assert_holds(dataset())
    cache = tmp_path / "cache" / "fashion_mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    for path in mirror.iterdir():
        path.unlink()
    assert_holds(dataset())


def test_the_next_mirror_is_tried(mirror, monkeypatch):
    from torchvision.datasets import FashionMNIST as Source

    monkeypatch.setattr(Source, "mirrors", ["http://127.0.0.1:9/", *Source.mirrors])
    assert_holds(dataset())


def failed_download(tmp_path):
    with pytest.raises(DataError) as caught:
        dataset().load()
    sentence = str(caught.value)
    start = f"Fashion-MNIST cannot be downloaded to {tmp_path}/cache/fashion_mnist: "
    assert sentence.startswith(start)
    assert sentence.endswith(f"; {ADVICE}")
    assert "\n" not in sentence
    return sentence.removeprefix(start).removesuffix(f"; {ADVICE}")


def test_a_mirror_that_is_down(tmp_path, mirror, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.FashionMNIST.mirrors", ["http://127.0.0.1:9/"])
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz gave <urlopen error" in failed_download(tmp_path)


def test_a_mirror_that_misses_a_file_leaves_no_half_of_the_four(tmp_path, mirror):
    (mirror / f"{NAMES[3]}.gz").unlink()
    assert f"{NAMES[3]}.gz gave HTTP Error 404: File not found" in failed_download(tmp_path)
    assert list((tmp_path / "cache" / "fashion_mnist").iterdir()) == []


def test_a_download_with_a_wrong_checksum_is_refused(tmp_path, mirror):
    (mirror / f"{NAMES[0]}.gz").write_bytes(b"other")
    assert failed_download(tmp_path).endswith(f"{NAMES[0]}.gz gave File not found or corrupted")
    assert list((tmp_path / "cache" / "fashion_mnist").iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path, mirror):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert "Not a directory" in failed_download(tmp_path)


# what the files hold

WRONG = {
    "image size": (
        0,
        np.zeros((20, 28, 27)),
        "must hold bytes of shape (n, 28, 28), got uint8 of shape (20, 28, 27)",
    ),
    "labels for images": (2, np.zeros(10), "must hold bytes of shape (n, 28, 28), got uint8 of shape (10,)"),
    "images for labels": (
        1,
        np.zeros((20, 28, 28)),
        "must hold bytes of shape (n,), got uint8 of shape (20, 28, 28)",
    ),
    "label": (1, np.full(20, 10), "must hold labels from 0 to 9, got 10"),
    "too few labels": (3, np.zeros(9), "equally many rows and at least one, got 10 images and 9 labels"),
    "too few images": (0, np.zeros((0, 28, 28)), "equally many rows and at least one, got 0 images and 20 labels"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_of_something_else_is_refused(tmp_path, case):
    which, content, expected = WRONG[case]
    folder = write(tmp_path / "given")
    (folder / f"{NAMES[which]}.gz").write_bytes(idx(content))
    with pytest.raises(DataError) as caught:
        dataset(folder).load()
    assert f"{expected}; {ADVICE}" in str(caught.value)
    assert f"{folder}/{NAMES[which]}.gz" in str(caught.value)


def test_a_damaged_file_is_told_by_its_path(tmp_path):
    folder = write(tmp_path / "given")
    (folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(idx(np.zeros((20, 28, 28))))[:-9])
    with pytest.raises(DataError, match=f"^{folder}/{NAMES[0]}.gz is a truncated gzip file"):
        dataset(folder).fingerprint()


# the fingerprint


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded."""
    paths = []
    read = idx_dataset.read_idx

    def watch(path):
        paths.append(path)
        return read(path)

    monkeypatch.setattr(idx_dataset, "read_idx", watch)
    return paths


def test_the_fingerprint_is_that_of_the_arrays(tmp_path):
    data = dataset(write(tmp_path / "given"))
    assert data.fingerprint() == fingerprint_arrays(*data.load())
    assert data.fingerprint() == fingerprint_arrays(*data.load())


def test_a_known_fingerprint_needs_no_decoding(tmp_path, decoded):
    data = dataset(write(tmp_path / "given"))
    first = data.fingerprint()
    assert len(decoded) == 4
    assert dataset(tmp_path / "given").fingerprint() == first
    assert len(decoded) == 4


def test_the_fingerprint_does_not_depend_on_how_the_files_are_packed(tmp_path):
    packed = write(tmp_path / "one", lambda data: gzip.compress(data, 1))
    repacked = write(tmp_path / "two", lambda data: gzip.compress(data, 9, mtime=0))
    plain = write(tmp_path / "three", bytes, "")
    assert len({dataset(folder).fingerprint() for folder in (packed, repacked, plain)}) == 1


def test_a_changed_file_changes_the_fingerprint(tmp_path):
    folder = write(tmp_path / "given", bytes, "")
    first = dataset(folder).fingerprint()
    path = folder / NAMES[3]
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    os.utime(path, (1, 1))  # clocks of file systems are coarse
    assert dataset(folder).fingerprint() != first


def test_another_version_is_decoded_again(tmp_path, decoded, monkeypatch):
    data = dataset(write(tmp_path / "given"))
    data.fingerprint()
    monkeypatch.setattr(FashionMNIST, "version", 2)
    data.fingerprint()
    assert len(decoded) == 8


def memo(tmp_path):
    (path,) = (tmp_path / "cache" / "fingerprints").iterdir()
    return path


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"3", b"\xff\xfe", b'{"fingerprint": "abc"}', b'{"fingerprint": null}']
)
def test_a_damaged_memo_is_made_again(tmp_path, decoded, content):
    data = dataset(write(tmp_path / "given"))
    first = data.fingerprint()
    good = memo(tmp_path).read_bytes()
    memo(tmp_path).write_bytes(content)
    assert data.fingerprint() == first
    assert len(decoded) == 8
    assert memo(tmp_path).read_bytes() == good


@pytest.mark.parametrize("wrong", ["", "0" * 63, "x" * 64])
def test_a_memo_with_an_impossible_fingerprint_is_made_again(tmp_path, wrong):
    data = dataset(write(tmp_path / "given"))
    first = data.fingerprint()
    content = json.loads(memo(tmp_path).read_text())
    memo(tmp_path).write_text(json.dumps({**content, "fingerprint": wrong}))
    assert data.fingerprint() == first


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, monkeypatch):
    folder = write(tmp_path / "given")
    read = idx_dataset.read_idx

    def change(path):
        values = read(path)
        os.utime(path, (1, 1))
        return values

    monkeypatch.setattr(idx_dataset, "read_idx", change)
    dataset(folder).fingerprint()
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_told_once_and_survived(tmp_path, recwarn):
    (tmp_path / "cache").write_text("a file where the folder should be")
    data = dataset(write(tmp_path / "given"))
    with pytest.warns(UserWarning, match="set LATENTBENCH_CACHE to a folder that can be written") as caught:
        first = data.fingerprint()
    assert len(caught) == 1
    assert Path(caught[0].filename).name == "idx_dataset.py"
    assert data.fingerprint() == first
    assert len(recwarn) == 0


def test_no_half_written_memo_is_left(tmp_path, monkeypatch):
    def fail(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.warns(UserWarning, match="No space left on device"):
        dataset(write(tmp_path / "given")).fingerprint()
    assert list((tmp_path / "cache" / "fingerprints").iterdir()) == []
