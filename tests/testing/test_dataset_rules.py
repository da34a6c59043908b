"""Each rule of datasets finds the mistake that it is there for."""

import itertools
import random

import numpy as np
import pytest

from latentbench import Dataset, Split
from latentbench.testing import check_dataset, parametrize_with_checks

COUNTER = itertools.count()


class Right(Dataset):
    """Bars, drawn from where they stand."""

    def load(self):
        rng = np.random.default_rng(0)
        return self.part(rng.permutation(64)[:40]), self.part(rng.permutation(64)[40:] + 64)

    def part(self, numbers):
        factors = np.stack([numbers % 8, numbers // 8], 1).astype(np.float64)
        names = "low", "high"
        labels = (numbers % 2).astype(np.int64)
        return Split(self.render(factors), labels, factors, ("across", "down"), (8, 16), names)

    def render(self, factors):
        factors = np.asarray(factors)
        images = np.zeros((len(factors), 1, 16, 16), np.uint8)
        for image, (across, down) in zip(images, factors.astype(int), strict=True):
            image[0, down, across] = 255
        return images


class Plain(Dataset):
    """Numbers without labels and factors."""

    def load(self):
        numbers = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
        return Split(numbers[:40]), Split(numbers[40:])


class OneSplit(Plain):
    def load(self):
        return super().load()[0]


class OtherShapes(Plain):
    def load(self):
        train, test = super().load()
        return train, Split(test.inputs[:, :3].copy())


class Constant(Plain):
    def load(self):
        train, test = super().load()
        return train, Split(np.zeros_like(test.inputs))


class Overlapping(Plain):
    def load(self):
        train, _ = super().load()
        return train, train.take(np.arange(20))


class UnseenClass(Plain):
    def load(self):
        train, test = super().load()
        return Split(train.inputs, np.arange(40) % 2), Split(test.inputs, np.arange(20) % 3)


class OtherNames(Right):
    def part(self, numbers):
        split = super().part(numbers)
        names = ("low", "high") if numbers.min() < 64 else ("high", "low")
        return Split(split.inputs, split.labels, split.factors, split.factor_names, split.factor_sizes, names)


class LargeFactor(Right):
    def part(self, numbers):
        split = super().part(numbers)
        return Split(split.inputs, split.labels, split.factors, split.factor_names, (4, 16), split.class_names)


class Unseeded(Plain):
    def load(self):
        numbers = np.random.default_rng().normal(size=(60, 4)).astype(np.float32)
        return Split(numbers[:40]), Split(numbers[40:])


class OfSharedGenerator(Plain):
    def load(self):
        numbers = np.random.normal(size=(60, 4)).astype(np.float32)
        return Split(numbers[:40]), Split(numbers[40:])


class SeedsShared(Plain):
    def load(self):
        random.seed(0)
        return super().load()


class NewFingerprint(Plain):
    def fingerprint(self):
        return f"{next(COUNTER):064x}"


class ShortFingerprint(Plain):
    def fingerprint(self):
        return "v1"


class Keeps(Plain):
    kept = None

    def load(self):
        if self.kept is None:
            self.kept = super().load()
        return self.kept


class RendersOtherwise(Right):
    def render(self, factors):
        return super().render(factors) - np.uint8(next(COUNTER) % 100)


class OneRemark(Plain):
    def remarks(self):
        return "one sentence"


class Raises(Plain):
    def load(self):
        raise FileNotFoundError("no such file")


PLANTED = {
    OneSplit: ("splits", "must return the train and the test Split, got Split"),
    OtherShapes: ("splits", "train inputs are float32 (4,), test inputs float32 (3,)"),
    Constant: ("splits", "all inputs of the test split are the same"),
    Overlapping: ("splits_disjoint", "20 of 20 test items are training items"),
    UnseenClass: ("labels", "classes 2 of the test split are not in the training split"),
    OtherNames: ("labels", "number both alike"),
    LargeFactor: ("factors", "factor 'across' of 4 values must take whole numbers from 0 to 3"),
    Unseeded: ("loads_the_same", "np.random.default_rng(seed)"),
    OfSharedGenerator: ("loads_the_same", "np.random.default_rng(seed)"),
    SeedsShared: ("random_state_untouched", "the generator of random"),
    NewFingerprint: ("fingerprint", "every run would train again"),
    ShortFingerprint: ("fingerprint", "64 hex digits, got 'v1'"),
    Keeps: ("arrays_are_its_own", "return copies"),
    RendersOtherwise: ("render", "uint8 of shape (32, 1, 16, 16)"),
    OneRemark: ("sentences", "a tuple of sentences, got 'one sentence'"),
    Raises: ("splits", "could not be tried: FileNotFoundError at test_dataset_rules.py:"),
}


@pytest.mark.parametrize("cls", PLANTED, ids=lambda cls: cls.__name__)
def test_a_planted_mistake_is_found_and_its_cure_told(cls):
    rule, words = PLANTED[cls]
    (found,) = [found for found in check_dataset(cls) if found.rule == rule]
    assert found.status == "failed"
    assert words in found.reason
    assert "\n" not in found.reason


@parametrize_with_checks(Right, Plain)
def test_what_is_right_passes(check):
    check()
