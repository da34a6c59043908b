"""scikit-learn's handwritten digits: small, real, and always there."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from latentbench import Dataset, Split
from latentbench_datasets._shared.classes import LabeledParams, keep_classes

TEST_ROWS = 360
NAMES = tuple("0123456789")


class Digits(Dataset):
    """1,797 handwritten digits of 8x8 grey pixels in 10 classes, 360 of them for the test.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998 (its test part), as
    scikit-learn ships it. The 17 grey levels are spread over 0..255.
    """

    class Params(LabeledParams):
        """Which classes to keep."""

    params: Params

    def load(self) -> tuple[Split, Split]:
        """Return train and test; the split is stratified by class and always the same."""
        everything, train, test = _whole()
        return keep_classes(
            everything.take(train), everything.take(test), self.params.classes, self.params.train_classes
        )


@cache  # scikit-learn reads them as text
def _whole() -> tuple[Split, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return all digits, of which splits take copies, and the rows of train and test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    source = load_digits()
    images = np.rint(source.images * 255 / 16).astype(np.uint8)[:, None]
    labels = source.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(labels)), test_size=TEST_ROWS, stratify=labels, random_state=0)
    return Split(images, labels, class_names=NAMES), train, test
