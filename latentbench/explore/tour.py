"""Films of a latent space: a tour of the clusters of its map, and the map forming over the epochs of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from latentbench.drawing.captions import framed
from latentbench.drawing.drawing import Drawing
from latentbench.drawing.pictures import as_pictures
from latentbench.drawing.scatter import class_looks
from latentbench.errors import NotApplicableError, RequestError
from latentbench.explore.coloring import Coloring, choose_coloring
from latentbench.explore.map import NAMES
from latentbench.explore.map_panels import MapPanel, map_figure
from latentbench.explore.tour_frames import forming_frames, tour_frames
from latentbench.explore.tour_still import tour_still
from latentbench.latent.class_names import class_words
from latentbench.latent.maps.procrustes import align
from latentbench.latent.maps.projection import Map
from latentbench.latent.maps.tour import round_trip, tour_path, tour_stops
from latentbench.latent.space import LatentSpace

if TYPE_CHECKING:
    import pandas as pd

    from latentbench.results import Results
    from latentbench.trial import Trial

__all__ = ["cluster_tour", "finished_checkpoints", "forming_film"]

MILLISECONDS = 80  # per frame
REST = 0.25  # share of the time per stop in which the dot rests


def cluster_tour(
    space: LatentSpace, layout: Map, name: str, clusters: int = 30, seconds: float = 0.8, seed: int = 0
) -> Drawing:
    """Film a round trip through the clusters of a map, decoding on the way; without decoder, by the nearest items.

    k-means finds the clusters on the map. The stop in a cluster is the code of its most frequent class nearest its
    center. The order is a short round trip by distances between codes. Between stops a periodic cubic spline
    through the codes is decoded, and the dot follows a spline through their places. Only at stops is the dot where
    its code is: codes between them have no place on a t-SNE or UMAP map. Without decoder the input is shown of the
    item, of those on the map, whose code is nearest.

    Args:
        space: a space whose decoder makes images, or whose inputs are some.
        layout: the map, of items of this space.
        name: of the model, for the title.
        clusters: number of stops.
        seconds: time for each stop and the way to the next.
        seed: seed of k-means.

    Raises:
        NotApplicableError: the space has neither decoder nor inputs, or these are no images.
        RequestError: more clusters than places.
    """
    codes = space.codes[torch.as_tensor(layout.rows, device=space.codes.device)].cpu().double().numpy()
    decodes = "decoder" in space.supplies
    if not decodes and "inputs" not in space.supplies:
        raise NotApplicableError(
            "neither decoder nor inputs, so a tour has nothing to show (use `latentbench map`)"
        )
    as_pictures(space.decode(space.codes[:1]) if decodes else space.inputs[:1])
    labels = space.labels.cpu().numpy()[layout.rows] if "labels" in space.supplies else None
    try:
        stops = tour_stops(layout.places, labels, clusters, seed)
    except ValueError as error:
        raise RequestError(f"--clusters: {error}") from error
    order = round_trip(codes[stops.rows])
    rows, classes = stops.rows[order], None if stops.classes is None else stops.classes[order]
    steps, rest = _frames(seconds)
    path, spots = (tour_path(points[rows], steps, rest) for points in (codes, layout.places))
    words = _stop_words(classes, space.class_names, len(rows), steps, rest)
    numbers = _tour_numbers(path, spots, layout.rows[rows].repeat(steps), classes, space.class_names, steps)
    shown = space.inputs[torch.as_tensor(layout.rows, device=space.device)]
    if decodes:
        images = as_pictures(
            space.decode(torch.as_tensor(path, dtype=torch.float32, device=space.device)), like=shown
        )
    else:
        nearest = np.concatenate([cdist(part, codes).argmin(axis=1) for part in np.array_split(path, steps)])
        images = as_pictures(shown[torch.as_tensor(nearest, device=space.device)], like=shown)
        numbers.insert(3, "nearest item", layout.rows[nearest])
        words = [f"{text}: nearest item" for text in words]
    coloring = choose_coloring(space, layout.rows)
    title = f"Tour of a {NAMES[layout.method]} map of {name}: {len(rows)} stops"
    frames = tour_frames(layout.places, labels, spots, images, words, coloring.marks)
    still = tour_still(layout, spots, images[::steps], words[::steps], coloring, title)
    return Drawing(still, numbers, title, framed(frames, title, _legend(coloring)), MILLISECONDS)


def finished_checkpoints(results: Results, trial: Trial) -> list[Trial]:
    """Return the finished checkpoints of a trial's training and the trial itself, by their epochs.

    Raises:
        RequestError: the training has no checkpoints.
    """
    trials = [other for other in results.trials if other.training_key == trial.training_key]
    finished = [other for other in trials if other.ok]
    if len(finished) < 2:
        raise RequestError(
            f"{trial.label} has no checkpoints before its last epoch; make a run that has some, "
            f"as `latentbench run -m {trial.model} --checkpoints 1,2,5,10 -o FOLDER`"
        )
    return sorted(finished, key=_epochs)


def forming_film(
    maps: Sequence[Map],
    trials: Sequence[Trial],
    coloring: Coloring,
    name: str,
    seconds: float = 1.6,
) -> Drawing:
    """Film how a space forms: maps of the same items after some epochs, each aligned to the last one.

    Args:
        maps: one for each checkpoint, of the same items.
        trials: the checkpoints, in order.
        coloring: the coloring of the items.
        name: of the model, for the title.
        seconds: time from each map to the next.
    """
    import pandas as pd

    laid = [align(layout.places, maps[-1].places) for layout in maps]
    epochs = [_epochs(trial) for trial in trials]
    labels = coloring.classes
    frames, moments = forming_frames(laid, labels, epochs, *_frames(seconds), coloring.marks)
    tables = [
        pd.DataFrame({"epoch": epoch, "frame": frame, "item": maps[-1].rows, "x": places[:, 0], "y": places[:, 1]})
        for number, (epoch, places) in enumerate(zip(epochs, laid, strict=True))
        for frame in [moments.index((number, 0.0))]
    ]
    title = f"{NAMES[maps[-1].method]} map of {name}, as it forms"
    panels = [MapPanel(f"epoch {epoch}", places) for epoch, places in zip(epochs, laid, strict=True)]
    still = map_figure(panels, coloring, title)
    return Drawing(still, pd.concat(tables), title, framed(frames, title, _legend(coloring)), MILLISECONDS)


def _legend(coloring: Coloring) -> list[tuple[str, str, str]]:
    """Return the name, the color and the marker of each class."""
    looks = class_looks(coloring.numbers)
    return [(name, *looks[number]) for number, name in coloring.legend.items()]


def _epochs(trial: Trial) -> int:
    return trial.budget.trained_epochs


def _frames(seconds: float) -> tuple[int, int]:
    """Return the number of frames per stop, and how many of them the dot rests."""
    steps = max(2, round(seconds * 1000 / MILLISECONDS))
    return steps, max(1, round(REST * steps))


def _stop_words(
    classes: NDArray[np.int64] | None, names: Sequence[str], stops: int, steps: int, rest: int
) -> list[str]:
    """Return the caption of each frame: the stop, or from which class to which."""
    words = []
    for stop in range(stops):
        if classes is None:
            at_stop = on_the_way = f"stop {stop + 1} of {stops}"
        else:
            at_stop, next_stop = (class_words(int(classes[place % stops]), names) for place in (stop, stop + 1))
            on_the_way = at_stop if at_stop == next_stop else f"{at_stop} to {next_stop}"
        words += [at_stop] * rest + [on_the_way] * (steps - rest)
    return words


def _tour_numbers(
    path: NDArray[Any],
    spots: NDArray[Any],
    items: NDArray[Any],
    classes: NDArray[np.int64] | None,
    names: Sequence[str],
    steps: int,
) -> pd.DataFrame:
    """Return one row per frame: the last stop with its item and class, the place and the code."""
    import pandas as pd

    frames = np.arange(len(path))
    values: dict[str, Any] = {"frame": frames, "stop": frames // steps, "item": items}
    if classes is not None:
        values["class"] = classes.repeat(steps)
        values |= {"class_name": [names[number] for number in values["class"]]} if names else {}
    values |= {"x": spots[:, 0], "y": spots[:, 1], **{f"code {i}": path[:, i] for i in range(path.shape[1])}}
    return pd.DataFrame(values)
