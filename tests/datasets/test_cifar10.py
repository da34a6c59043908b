import functools
import hashlib
import http.server
import shutil
import tarfile
import threading

import numpy as np
import pytest

from latentbench import DataError
from latentbench.dataset import fingerprint_arrays
from latentbench_datasets import cifar10
from latentbench_datasets.cifar10 import ADVICE, ARCHIVE, CIFAR10, FOLDER, ROW_BYTES, TEST, TRAIN

ROWS = 20


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(cifar10, "BATCH_ROWS", ROWS)


def batch(number):
    """Images `(20, 3, 32, 32)` and labels of one file."""
    draw = np.random.default_rng(number)
    return draw.integers(0, 256, (ROWS, 3, 32, 32)).astype(np.uint8), np.arange(ROWS) % 10


def write(folder):
    folder.mkdir(parents=True)
    for number, name in enumerate((*TRAIN, *TEST)):
        images, labels = batch(number)
        rows = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(ROWS, -1)], axis=1)
        (folder / name).write_bytes(rows.tobytes())
    return folder


def dataset(path=None):
    return CIFAR10(CIFAR10.Params(path=path))


def refusal(path=None):
    with pytest.raises(DataError) as caught:
        dataset(path).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_holds(data):
    train, test = data.load()
    np.testing.assert_array_equal(train.inputs, np.concatenate([batch(number)[0] for number in range(5)]))
    np.testing.assert_array_equal(train.labels, np.tile(batch(0)[1], 5))
    np.testing.assert_array_equal(test.inputs, batch(5)[0])
    assert (train.inputs.dtype, train.labels.dtype) == (np.uint8, np.int64)
    assert train.inputs.flags.writeable


def test_the_binary_folder_or_the_one_above(tmp_path):
    write(tmp_path / FOLDER)
    assert_holds(dataset(tmp_path))
    assert_holds(dataset(tmp_path / FOLDER))


def test_it_keeps_every_rule(tmp_path, broken_rules):
    assert broken_rules("cifar10", params={"path": write(tmp_path / FOLDER)}) == []


def test_the_fingerprint_is_that_of_the_arrays_and_is_remembered(tmp_path, monkeypatch):
    data = dataset(write(tmp_path / FOLDER))
    first = data.fingerprint()
    assert first == fingerprint_arrays(*data.load())
    monkeypatch.setattr(cifar10, "_read_split", None)
    assert dataset(tmp_path / FOLDER).fingerprint() == first


def test_the_python_version_is_refused(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"a pickle")
    for path in (tmp_path, tmp_path / "cifar-10-batches-py"):
        assert "it holds the Python version, which is made of pickles and not read; give" in refusal(path)


def test_a_missing_file(tmp_path):
    (write(tmp_path / FOLDER) / TRAIN[3]).unlink()
    sentence = f"must hold the six .bin files of CIFAR-10, data_batch_4.bin is not there; {ADVICE}"
    assert refusal(tmp_path) == f"{tmp_path / FOLDER} {sentence}"


@pytest.mark.parametrize("change", [-ROW_BYTES, -1, 1])
def test_rows_are_counted(tmp_path, change):
    path = write(tmp_path / FOLDER) / TEST[0]
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + b"!")
    assert refusal(tmp_path).startswith(
        f"{path} must hold 20 rows of 3073 bytes, got {61460 + change} bytes, which"
    )


def test_a_label_that_is_none(tmp_path):
    path = write(tmp_path / FOLDER) / TRAIN[0]
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    assert refusal(tmp_path) == f"{path} must hold labels from 0 to 9, got 10; {ADVICE}"


def test_classes_are_counted_where_the_splits_have_the_published_size(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "CLASS_ROWS", {5 * ROWS: 10, ROWS: 2})
    folder = write(tmp_path / FOLDER)
    assert_holds(dataset(tmp_path))
    path = folder / TEST[0]
    path.write_bytes(b"\x03" + path.read_bytes()[1:])
    assert refusal(tmp_path) == (
        f"{folder} must hold 2 images of each class among 20, as published, airplane (class 0) has 1; {ADVICE}, "
        "or save a copy changed on purpose as .npz for `-d copy.npz`"
    )


def test_the_published_row_count(monkeypatch):
    monkeypatch.undo()
    assert cifar10.BATCH_ROWS * ROW_BYTES == 30_730_000
    assert cifar10.CLASS_ROWS == {50_000: 5_000, 10_000: 1_000}


# the download


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host on this machine with a small archive, beside that of torchvision's Python version."""
    served = tmp_path / "served"
    write(served / FOLDER)
    (served / FOLDER / "readme.html").write_text("also in the archive")
    with tarfile.open(served / ARCHIVE, "w:gz") as archive:
        archive.add(served / FOLDER, FOLDER)
    monkeypatch.setattr(
        cifar10,
        "ARCHIVE_MD5",
        hashlib.md5((served / ARCHIVE).read_bytes()).hexdigest(),  # noqa: S324 - the host's own checksum
    )

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(served)))
    url = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_archive_is_downloaded_into_the_cache_once(tmp_path, host):
    assert_holds(dataset())
    assert [path.name for path in (tmp_path / "cache" / "cifar10").iterdir()] == [FOLDER]
    assert {path.name for path in (tmp_path / "cache" / "cifar10" / FOLDER).iterdir()} == {*TRAIN, *TEST}
    (host / ARCHIVE).unlink()
    assert_holds(dataset())


def test_an_incomplete_cache_is_made_again(tmp_path, host):
    shutil.copytree(host / FOLDER, tmp_path / "cache" / "cifar10" / FOLDER)
    (tmp_path / "cache" / "cifar10" / FOLDER / TEST[0]).unlink()
    assert_holds(dataset())


def failed_download(tmp_path):
    sentence = refusal()
    assert sentence.startswith(f"CIFAR-10 cannot be downloaded to {tmp_path}/cache/cifar10: ")
    assert sentence.endswith(f"; {ADVICE}")
    assert list((tmp_path / "cache" / "cifar10").iterdir()) == []
    return sentence


def test_a_host_that_is_down_or_has_another_file(tmp_path, host, monkeypatch):
    (host / ARCHIVE).write_bytes(b"other")
    assert f"/{ARCHIVE} gave File not found or corrupted" in failed_download(tmp_path)
    (host / ARCHIVE).unlink()
    assert f"/{ARCHIVE} gave HTTP Error 404" in failed_download(tmp_path)


def test_an_archive_without_a_file(tmp_path, host, monkeypatch):
    with tarfile.open(host / ARCHIVE, "w:gz") as archive:
        archive.add(host / FOLDER / TRAIN[0], f"{FOLDER}/{TRAIN[0]}")
    digest = hashlib.md5((host / ARCHIVE).read_bytes()).hexdigest()  # noqa: S324 - the host's own checksum
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", digest)
    assert "data_batch_2.bin" in failed_download(tmp_path)


def test_the_address_is_beside_that_of_torchvision():
    from torchvision.datasets import CIFAR10 as Source  # noqa: N811 - a class whose name has only capitals

    assert Source.url.rpartition("/")[2] == "cifar-10-python.tar.gz"
    assert cifar10.ARCHIVE_MD5 == "c32a1d4ab5d03f1284b67883e8d87530"
