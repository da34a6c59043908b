"""dSprites, from the file that DeepMind publishes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from latentbench_datasets._shared.factor_files import Factor, FactorFile

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


class DSprites(FactorFile):
    """White squares, ellipses and hearts on black, 64x64: 737,280 combinations of shape, scale, orientation, x, y.

    Source: Matthey, Higgins, Hassabis and Lerchner 2017, "dSprites: Disentanglement testing Sprites dataset". The
    orientations go round a full turn, the first and the last of the 40 alike, and squares look the same every
    quarter: no model can read that factor off all images, and some images of test are in train, too. The label is
    the shape; color, the same everywhere, is left out.
    """

    class Params(FactorFile.Params):
        """Where the file is, and how much of it."""

        path: Path | None = Field(default=None, description=f"the file {FILE}; needed, no download")

    params: Params
    title = "dSprites"
    image_key = "imgs"
    factor_key = "latents_classes"
    image_shape = (64, 64)
    brightest = 1
    columns = (
        Factor("color", 1),
        Factor("shape", 3, ("square", "ellipse", "heart")),
        Factor("scale", 6),
        Factor("orientation", 40),
        Factor("x", 32),
        Factor("y", 32),
    )
    advice = (
        f"fetch {FILE} from https://github.com/google-deepmind/dsprites-dataset and give it as "
        "`-p dsprites.path=FILE`"
    )
