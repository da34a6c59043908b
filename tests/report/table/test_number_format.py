import math

import pytest

from latentbench.table.number_format import count, measured, number, row_style


def written(values, halves=None, rough=False, unit=""):
    halves = halves or [math.nan] * len(values)
    style = row_style(values, halves, rough, unit)
    return [measured(value, half, style) for value, half in zip(values, halves, strict=True)]


NO = math.nan


@pytest.mark.parametrize(
    ("values", "halves", "expected"),
    [
        ([0.771, 0.8741, 1.0], [NO, 0.0023, NO], [".771", ".874±.002", "1.000"]),
        ([0.422, 0.350], [0.0302, NO], [".422±.030", ".350"]),
        ([0.99871, 0.99862], [0.00031, 0.00024], [".9987±.0003", ".9986±.0002"]),  # an interval is never ±.000
        ([45.68, 22.61], [0.61, 0.44], ["45.7±0.6", "22.6±0.4"]),
        ([0.0125, 0.0147], [0.00031, 0.0002], [".0125±.0003", ".0147±.0002"]),
        ([16.0, 16.0], [0.0, 0.0], ["16", "16"]),
        ([-0.0329, 0.0793], [NO, 0.002], ["-.0329", ".0793±.0020"]),
        ([0.8, 0.3], [0.1, 0.00001], [".80±.10", ".30000±.00001"]),  # too far apart for shared digits
        ([0.25], [0.4], [".25±.40"]),
        ([1.0, 1.30], [1e-9, 0.03], ["1.00", "1.30±0.03"]),  # rounding is no interval
    ],
)
def test_digits_follow_the_interval(values, halves, expected):
    assert written(values, halves) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (728.6, "728.6"),
        (1908.7, "1909"),
        (12_345, "12.3k"),
        (1.2e6, "1.20M"),
        (3.4e9, "3.40G"),
        (4.31e-5, "4.31e-5"),
        (0.0, "0.000"),
        (2, "2"),
        (math.nan, "-"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_large_and_small_numbers_read_well(value, expected):
    assert number(value) == expected


def test_costs_are_rough():
    assert written([2.13, 94.2, 1_234_567], rough=True) == ["2.1", "94", "1.2M"]
    assert written([94.2, 1.2e6], [2.1, 5e4], rough=True) == ["94±2", "1.20±.05M"]
    assert written([938.118e6], [2000.0], rough=True) == ["938M"]
    assert written([0.00067, 0.0035, 6.13], rough=True) == ["6.7e-4", "0.0035", "6.1"]
    assert written([6.1e-4], [2.2e-5], rough=True) == ["6.1e-4±0.2e-4"]


@pytest.mark.parametrize(
    ("values", "halves", "expected"),
    [
        ([951.2e6, 925e6], [NO, 36e6], ["951MB", "925±36MB"]),
        ([1.67e9, 1.29e9, 0.95e9], [NO, 28e6, 51e6], ["1.7GB", "1.29±.03GB", "0.95±.05GB"]),
        ([139e9, 12.4e9, 11.9e9], [NO, 0.4e9, NO], ["139GB", "12.4±.4GB", "12GB"]),
        ([640e6, 2.1e9, 652e6], [NO, NO, NO], ["640MB", "2100MB", "652MB"]),  # the unit that suits the median
        ([52_000.0, 0.0], [NO, NO], ["52kB", "0kB"]),
        ([0.0, 0.0, 909e6], [NO, NO, NO], ["0MB", "0MB", "909MB"]),
        ([NO, 3e6], [NO, 1e3], ["-", "3MB"]),
        ([12e6, 15e6, 4.1e3], [NO, NO, NO], ["12MB", "15MB", "4.1kB"]),  # not 0.0041MB
        ([NO], [NO], ["-"]),
    ],
)
def test_bytes_of_one_row_share_a_unit(values, halves, expected):
    assert written(values, halves, rough=True, unit="B") == expected


@pytest.mark.parametrize(
    ("values", "halves", "expected"),
    [
        ([7986, 11_000], [304, 1000], ["8.0±.3k", "11±1k"]),
        ([7986, 9000], [304, 10], ["7986±304", "9000±10"]),
        ([120, 4000, 11_000, 1.2e6], [NO] * 4, ["120", "4k", "11k", "1.2M"]),
        ([NO, 9999.6, 12_000], [NO] * 3, ["-", "10.0k", "12k"]),
    ],
)
def test_thousands_of_one_row_are_written_alike(values, halves, expected):
    assert written(values, halves, rough=True) == expected


def test_rows_without_any_number_have_a_style():
    assert written([NO, NO]) == ["-", "-"]
    assert written([]) == []
    assert written([0.0, 0.0]) == [".000", ".000"]


@pytest.mark.parametrize(
    ("items", "expected"), [(10_000, "10k"), (1797, "1797"), (3500, "3.5k"), (1, "1"), (NO, "-")]
)
def test_counts_are_short(items, expected):
    assert count(items) == expected
