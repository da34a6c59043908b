import gzip
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latentbench import DataError
from latentbench_datasets._shared.idx import read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


GOOD = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


def test_a_file_written_by_hand(tmp_path):
    path = tmp_path / "hand"
    path.write_bytes(b"\x00\x00\x0b\x02" + b"\x00\x00\x00\x02\x00\x00\x00\x01" + b"\x01\x02\xff\xff")
    values = read_idx(path)
    np.testing.assert_array_equal(values, np.array([[258], [-1]], dtype=np.int16))
    assert values.dtype == np.int16
    assert values.dtype.isnative


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_every_type_is_read_plain_and_gzipped(tmp_path, kind, pack):
    array = np.arange(6).reshape(3, 2).astype(kind)
    path = tmp_path / "file"
    path.write_bytes(pack(idx_bytes(array)))
    values = read_idx(path)
    np.testing.assert_array_equal(values, array)
    assert values.dtype == array.dtype
    assert values.flags.writeable  # torch.from_numpy warns otherwise


@given(data=arrays(np.uint8, st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(idx_bytes(data))
    np.testing.assert_array_equal(read_idx(path), data)


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_idx(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence.removeprefix(str(path))


DAMAGED = {
    "truncated": (
        GOOD[:-5],
        " is truncated: its header promises 24 bytes of values for shape (2, 3, 4), it holds 19",
    ),
    "trailing": (GOOD + b"!", " has trailing data: its header promises 24 bytes of values .* it holds 25"),
    "empty": (b"", " is truncated: an idx file starts with 4 bytes, it has 0"),
    "short header": (GOOD[:9], " is truncated: a header of 3 dimensions takes 16 bytes, it has 9"),
    "a web page": (b"<!DOCTYPE html>", " is no idx file: expected two zero bytes, .*, found 3c 21 44 4f; check"),
    "unknown type": (b"\x00\x00\x0a\x01\x00\x00\x00\x00", " is no idx file: .*, found 00 00 0a 01; check"),
    "no dimensions": (b"\x00\x00\x08\x00", " is no idx file: .*, found 00 00 08 00; check"),
    "huge": (b"\x00\x00\x0e\x03" + b"\xff" * 12, " is truncated: its header promises 633825299"),
    "truncated gz": (gzip.compress(GOOD)[:-9], " is a truncated gzip file: it ends after "),
    "gz header": (gzip.compress(GOOD)[:4], " is a truncated gzip file: it ends after 4 bytes"),
    "gz checksum": (gzip.compress(GOOD)[:-8] + bytes(8), " is a damaged gzip file \\(CRC check failed"),
    "gz body": (gzip.compress(GOOD)[:10] + b"\xff" * 40, " is a damaged gzip file \\(Error -3"),
    "gz trailing": (gzip.compress(GOOD) + b"!!", " is a damaged gzip file \\(Not a gzipped file"),
    "gz of a short file": (gzip.compress(GOOD[:-5]), " is truncated: its header promises 24 bytes"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_told_in_one_sentence(tmp_path, case):
    content, expected = DAMAGED[case]
    path = tmp_path / "file"
    path.write_bytes(content)
    sentence = refusal(path)
    assert re.match(expected.replace("(2, 3, 4)", r"\(2, 3, 4\)"), sentence), sentence
    assert sentence.endswith("; delete it and fetch it again") or "else delete it and fetch it again" in sentence


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_every_truncation_is_found(tmp_path, pack):
    whole = pack(GOOD)
    path = tmp_path / "file"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        refusal(path)


def test_a_folder_is_no_file(tmp_path):
    assert refusal(tmp_path) == " must be a file, a folder is there; check the path, or save a copy as a file"


def test_nothing_there(tmp_path):
    assert refusal(tmp_path / "none") == " must be a file, nothing is there; check the path"
    (tmp_path / "file").write_bytes(GOOD)
    assert refusal(tmp_path / "file" / "below").startswith(" must be a file, it cannot be read (Not a directory)")


def test_an_unreadable_file(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", str(path))  # root may read anything, so chmod shows nothing

    monkeypatch.setattr("latentbench.files.reading.os.open", refuse)
    assert refusal(tmp_path / "file") == " must be a file, it cannot be read (Permission denied); check the path"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_no_more_is_read_than_the_header_promises(tmp_path, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(GOOD + bytes(10**7)))
    assert " has trailing data: its header promises 24 bytes" in refusal(path)
    path.write_bytes(pack(b"\0\0\x08\3" + struct.pack(">3I", 10**6, 10**6, 1)))
    assert " is truncated: its header promises 1000000000000 bytes" in refusal(path)
