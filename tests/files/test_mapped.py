"""Arrays in files: what is mapped, what stays there, and that numbers are those of the array in memory."""

import numpy as np
import pytest

from latentbench.dataset import DataSpec, Split, fingerprint_arrays, split_validation
from latentbench.errors import DataError, RequestError
from latentbench.files.large_rows import row_hashes
from latentbench.files.mapped import array_source, file_is_as_mapped, is_large, is_mapped, mapped_array
from latentbench.files.row_view import RowView, joined, stays_in_file, take_rows
from latentbench.files.scratch import roomy


@pytest.fixture
def large(monkeypatch):
    """Every array is large, as on a machine of no memory."""
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")


@pytest.fixture
def pair(tmp_path):
    """The same images in memory and in a file."""
    images = np.random.default_rng(0).integers(0, 256, (300, 2, 5, 4), np.uint8)
    (tmp_path / "images.bin").write_bytes(b"header" + images.tobytes())
    return images, mapped_array(tmp_path / "images.bin", np.uint8, images.shape, offset=6)


def test_a_mapped_array_is_that_of_the_file_and_cannot_be_written(pair):
    images, in_file = pair
    assert (in_file == images).all()
    assert is_mapped(in_file)
    assert is_mapped(in_file[3:9].reshape(6, -1))
    assert not is_mapped(images)
    assert not is_mapped(in_file.copy())
    with pytest.raises(ValueError, match="read-only"):
        in_file[0] = 1
    assert array_source(in_file[2:]).offset == 6 + 2 * images[0].nbytes


def test_a_file_that_is_too_short_is_one_sentence(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"1234")
    with pytest.raises(DataError, match=r"must hold 8 bytes after the first 0 .* it has 4 in all; save it again"):
        mapped_array(tmp_path / "x.bin", np.uint8, (8,))


def test_an_array_of_no_rows_needs_no_map(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"")
    assert mapped_array(tmp_path / "x.bin", np.uint8, (0, 3)).shape == (0, 3)


@pytest.mark.parametrize("text", ["much", "-1", "nan"])
def test_what_is_large_must_be_a_number(monkeypatch, text):
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", text)
    with pytest.raises(RequestError, match="LATENTBENCH_LARGE_FROM must be a number of megabytes from 0"):
        is_large(5)


def test_what_is_large_is_in_megabytes(monkeypatch):
    assert (is_large(511_999_999), is_large(512_000_000)) == (False, True)
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0.5")
    assert (is_large(499_999), is_large(500_000)) == (False, True)


def test_a_file_that_is_written_into_is_noticed_and_one_that_is_replaced_is_not_seen(pair, tmp_path):
    images, in_file = pair
    path = tmp_path / "images.bin"
    assert file_is_as_mapped(in_file)
    path.rename(tmp_path / "old.bin")
    path.write_bytes(b"another")
    assert file_is_as_mapped(in_file)
    path.unlink()
    assert file_is_as_mapped(in_file)
    assert (in_file == images).all()


def test_a_file_that_is_written_into_has_changed(pair, tmp_path):
    with (tmp_path / "images.bin").open("r+b") as file:
        file.write(b"HEADERx")
        file.truncate()
    assert not file_is_as_mapped(pair[1])


@pytest.mark.usefixtures("large")
def test_rows_of_an_array_in_a_file_are_a_view(pair):
    images, in_file = pair
    mask = np.arange(300) % 3 > 0
    view = take_rows(in_file, mask)
    assert isinstance(view, RowView)
    assert stays_in_file(view)
    again = take_rows(view, np.array([5, 2, -1]))
    assert again.base is in_file
    assert (np.asarray(again) == images[mask][[5, 2, -1]]).all()
    assert take_rows(view, np.arange(len(view))).base is in_file
    assert take_rows(in_file, np.ones(300, bool)) is in_file
    assert isinstance(take_rows(images, mask), np.ndarray)


@pytest.mark.usefixtures("large")
def test_a_view_of_rows_answers_as_the_array_would(pair):
    images, in_file = pair
    rows = np.random.default_rng(1).permutation(300)[:100]
    view, expected = take_rows(in_file, rows), images[rows]
    assert (view.shape, view.dtype, view.ndim, view.size, view.nbytes, len(view)) == (
        expected.shape,
        expected.dtype,
        4,
        expected.size,
        expected.nbytes,
        100,
    )
    indices = [
        3,
        -1,
        slice(2, 50, 3),
        [1, 5],
        np.arange(9),
        np.arange(100) > 50,
        (slice(3, 9), 0),
        (4, 1),
        None,
        ...,
    ]
    for index in [*indices, (slice(None), slice(0, 1), 2), (slice(0, 2), [0, 1])]:
        assert np.array_equal(np.asarray(view[index]), expected[index]), index
    assert (view.reshape(100, -1).mean(axis=1) == expected.reshape(100, -1).mean(axis=1)).all()
    assert ((view != view[:1]) == (expected != expected[:1])).all()
    assert (view + 1 == expected + 1).all()
    assert np.array_equal(np.stack(list(view)), expected)
    assert np.asarray(view, np.float32).dtype == np.float32
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        view[0] = 1
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        view *= 2
    with pytest.raises(AttributeError):
        view.no_such_thing  # noqa: B018


@pytest.mark.usefixtures("large")
def test_parts_are_joined_without_a_copy(pair):
    images, in_file = pair
    mask = np.arange(300) % 3 > 0
    both = joined(take_rows(in_file, mask), take_rows(in_file, ~mask))
    assert isinstance(both, RowView)
    assert np.array_equal(np.asarray(both), np.concatenate([images[mask], images[~mask]]))
    assert np.array_equal(joined(take_rows(in_file, mask), images), np.concatenate([images[mask], images]))


def test_a_view_that_does_not_fit_into_memory_is_refused(tmp_path, large):
    (tmp_path / "x.bin").touch()
    with (tmp_path / "x.bin").open("r+b") as file:
        file.truncate(2**43)
    view = take_rows(mapped_array(tmp_path / "x.bin", np.uint8, (2**20, 2**23)), np.arange(1, 2**20, 2))
    assert view[5].sum() == 0
    with pytest.raises(DataError, match=r"x\.bin takes 4,398\.0 GB of memory"):
        np.asarray(view)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_splits_and_their_numbers_are_those_of_the_array_in_memory(tmp_path, large, kind):
    values = np.random.default_rng(0).normal(100, 20, (300, 2, 5, 4)).clip(0, 255).astype(kind)
    values[7] = values[9]
    (tmp_path / "x.bin").write_bytes(values.tobytes())
    labels = np.arange(300) % 7
    splits = [Split(inputs, labels) for inputs in (values, mapped_array(tmp_path / "x.bin", kind, values.shape))]
    assert fingerprint_arrays(splits[0]) == fingerprint_arrays(splits[1])
    assert (row_hashes(splits[0].inputs) == row_hashes(splits[1].inputs)).all()
    carved = [split_validation(split) for split in splits]
    for part in (0, 1):
        in_memory, in_file = (pair[part] for pair in carved)
        assert stays_in_file(in_file.inputs)
        assert np.array_equal(np.asarray(in_file.inputs), in_memory.inputs)
        assert (in_file.labels == in_memory.labels).all()
        assert fingerprint_arrays(in_memory) == fingerprint_arrays(in_file)
        specs = [DataSpec.of(split) for split in (in_memory, in_file)]
        assert specs[0] == specs[1]
        assert specs[0].spread == specs[1].spread
        assert kind is np.uint8 or (specs[0].mean == specs[1].mean).all()
    whole = carved[1][0].joined(carved[1][1])
    assert isinstance(whole.inputs, RowView)


@pytest.mark.usefixtures("large")
def test_numbers_in_a_file_must_be_finite(tmp_path):
    values = np.zeros((50, 3), np.float32)
    values[17, 1] = np.nan
    (tmp_path / "x.bin").write_bytes(values.tobytes())
    with pytest.raises(DataError, match="inputs must be finite, row 18 of 50 holds NaN or infinity"):
        Split(mapped_array(tmp_path / "x.bin", np.float32, values.shape))


@pytest.mark.usefixtures("large")
def test_what_is_known_of_a_file_is_forgotten_when_it_changes(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(40))
    before = row_hashes(mapped_array(path, np.uint8, (10, 4)))
    path.write_bytes(bytes(range(40)))
    after = row_hashes(mapped_array(path, np.uint8, (10, 4)))
    assert len(set(before)) == 1
    assert len(set(after)) == 10


def test_room_for_much_lies_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "cache"))
    assert roomy((10, 3)).base is None
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    room = roomy((10, 3))
    room[:] = 5
    assert room.base is not None
    assert list((tmp_path / "cache").iterdir()) == []
    assert roomy((0, 3)).shape == (0, 3)


def test_a_disk_without_room_for_scratch_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATENTBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("LATENTBENCH_LARGE_FROM", "0")
    with pytest.raises(DataError, match=r"intermediate results of 0\.0 GB cannot be written to the cache"):
        roomy((10, 3))
