"""3D Shapes, from the file that DeepMind publishes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from latentbench_datasets._shared.factor_files import Factor, FactorFile


class Shapes3D(FactorFile):
    """A body in a room, 64x64 in color: 480,000 combinations of three hues, its scale and shape, and the view.

    Source: Burgess and Kim 2018, "3D Shapes Dataset". The label is the shape. The published file is HDF5,
    which `pip install 'latentbench[factors]'` makes readable; a .npz file of its two arrays needs nothing more.
    """

    class Params(FactorFile.Params):
        """Where the file is, and how much of it."""

        path: Path | None = Field(
            default=None,
            description="the file 3dshapes.h5, or .npz with its arrays images and labels; needed, no download",
        )

    params: Params
    title = "3D Shapes"
    image_key = "images"
    factor_key = "labels"
    image_shape = (64, 64, 3)
    brightest = 255
    columns = (
        Factor("floor_hue", 10),
        Factor("wall_hue", 10),
        Factor("object_hue", 10),
        Factor("scale", 8),
        Factor("shape", 4, ("cube", "cylinder", "sphere", "capsule")),
        Factor("orientation", 15),
    )
    advice = (
        "fetch 3dshapes.h5 as https://github.com/google-deepmind/3d-shapes says and give it as "
        "`-p shapes3d.path=FILE`"
    )
