"""The built-in metrics of latentbench, registered through the same hook as any plugin."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING

from latentbench import hookimpl

if TYPE_CHECKING:
    import pandas as pd

    from latentbench import Results

METRICS = {
    "acai_lines": (
        "acai:AcaiLines",
        "how evenly a drawn line turns along straight paths, and whether it stays a line",
    ),
    "active_units": ("geometry:ActiveUnits", "dimensions whose variance over the data exceeds 0.01"),
    "class_switches": (
        "walk_realism:ClassSwitches",
        "class changes along a path from one class to another, ideally 1",
    ),
    "class_transport": (
        "matches:ClassTransport",
        "transport distance between the codes of two classes, relative to the variance within one",
    ),
    "compression": ("efficiency:Compression", "input numbers per code number"),
    "dci": (
        "disentanglement.dci:Dci",
        "how well dimensions and factors match one to one, judged by trees that predict the factors",
    ),
    "decode_latency": ("efficiency:DecodeLatency", "time to decode 1000 codes"),
    "distances": ("neighborhoods:Distances", "whether items that are far apart stay far apart"),
    "edit_chain": ("edits.chains:EditChain", "whether several edits in a row still lead to the true image"),
    "edit_gain": (
        "edits.gains:EditGain",
        "whether moving a code in one direction changes one attribute and nothing else",
    ),
    "elbo": (
        "likelihoods:Likelihoods",
        "lower bound of the log-likelihood of inputs, for models with the same likelihood",
    ),
    "encode_latency": ("efficiency:EncodeLatency", "time to encode 1000 inputs"),
    "factor_vae": (
        "disentanglement.factors:FactorVae",
        "whether the dimension that varies least identifies the factor held fixed",
    ),
    "fisher_ratio": ("clusters:FisherRatio", "scatter between classes relative to the scatter within them"),
    "flip_rate": ("edits.flips:FlipRate", "whether an image classifier sees an edit"),
    "geodesic_ratio": ("path_geometry:GeodesicRatio", "length of straight paths relative to the shortest paths"),
    "image_quality": ("image_quality:ImageQuality", "PSNR and SSIM of reconstructed images"),
    "infomec_explicitness": (
        "disentanglement.infomec:InfoE",
        "share of the factors' entropy that a linear model explains from the codes",
    ),
    "infomec_shares": (
        "disentanglement.infomec:InfoMC",
        "whether dimensions and factors match one to one, by mutual information",
    ),
    "intrinsic_dimension": ("intrinsic_dimension:IntrinsicDimension", "how many dimensions the codes fill"),
    "iou": ("iou:IntersectionOverUnion", "overlap of decoded and true shapes, relative to their union"),
    "iwae": (
        "likelihoods:ImportanceWeighted",
        "tighter lower bound of the log-likelihood, by importance sampling",
    ),
    "jacobian": ("path_geometry:JacobianSpectrum", "how unevenly the decoder stretches small changes of a code"),
    "kmeans": ("clusters:KMeansAgreement", "whether k-means, without labels, finds the classes"),
    "knn": ("neighbors:Neighbors", "whether the nearest training codes have the same label"),
    "knn_budgets": (
        "label_budgets:NeighborBudgets",
        "accuracy of nearest neighbors when 10, 100 or 1000 training codes are labeled",
    ),
    "knn_sample": (
        "neighbors:SampledNeighbors",
        "accuracy of 10 nearest neighbors when codes are sampled instead of averaged",
    ),
    "linear_probe": ("probes:LinearProbe", "accuracy of a linear classifier of codes"),
    "linear_probe_budgets": (
        "label_budgets:LinearProbeBudgets",
        "accuracy of a linear classifier that is fitted to 10, 100 or 1000 labels, and over all budgets",
    ),
    "mig": ("disentanglement.factors:Mig", "gap in information between a factor's two best dimensions"),
    "modularity": (
        "disentanglement.factors:Modularity",
        "whether each informative dimension captures only one factor",
    ),
    "ms_ssim3": ("image_quality:MsSsim", "structural similarity of reconstructed images at three scales"),
    "neighborhoods": ("neighborhoods:Neighborhoods", "whether items that are near each other stay near"),
    "noise": ("robustness:Noise", "whether codes stay in place when the pixels are noisy"),
    "ood_auroc": ("bounds:HeldOutClasses", "whether classes held out of training are reconstructed worse"),
    "out_of_bounds": ("generation:OutOfBounds", "share of new images far from all training images"),
    "out_of_bounds_classifier": (
        "bounds:ClassifiedBounds",
        "share of new images that a classifier tells from real ones",
    ),
    "parameters": ("efficiency:ParameterCount", "number of trained parameters"),
    "participation_ratio": (
        "geometry:ParticipationRatio",
        "number of directions that share the variance of the codes",
    ),
    "path_energy": ("interpolation:PathEnergy", "how unevenly images change along straight paths"),
    "path_shape": ("interpolation:PathShape", "length, bends and steps of decoded straight paths"),
    "peak_memory": ("efficiency:PeakMemory", "peak memory during training"),
    "pixel_shift": ("robustness:PixelShift", "accuracy of 10 nearest neighbors when images move by one pixel"),
    "prior_match": ("matches:PriorMatch", "distance of posterior samples from the prior"),
    "r2": ("reconstruction:ExplainedVariance", "share of the inputs' variance that reconstructions keep"),
    "rate": ("likelihoods:Rate", "information (nats) a code carries about its input"),
    "reconstruction": ("reconstruction:Reconstruction", "squared and absolute error of reconstructions"),
    "reconstruction_match": ("matches:ReconstructionMatch", "distance of reconstructions from real images"),
    "sample_match": ("matches:SampleMatch", "distance of decoded new codes from real images"),
    "sample_sinkhorn": (
        "matches:SampleSinkhorn",
        "distance of decoded new codes from real images, by entropic optimal transport",
    ),
    "sample_transport": (
        "matches:SampleTransport",
        "distance of decoded new codes from real images, by exact optimal transport",
    ),
    "samples": ("generation:Samples", "whether new images look real and vary as real ones do"),
    "sap": ("disentanglement.factors:Sap", "gap in R² between a factor's two best dimensions"),
    "separation": ("clusters:Separation", "how compact the classes are and how far apart they lie"),
    "throughput": ("efficiency:Throughput", "training images per second"),
    "train_seconds": ("efficiency:TrainSeconds", "training time"),
    "walk_kd": ("walk_realism:WalkRealism", "how unreal images halfway between two look, relative to pixel fades"),
}


@hookimpl
def register_metrics(register: Callable[..., None]) -> None:
    """Register the built-in metrics."""
    for name, (target, summary) in METRICS.items():
        register(name, f"latentbench_metrics.{target}", summary=summary)


PAIR_METRICS = {
    "cka": (
        "pairs.kernel_alignment:KernelAlignment",
        "whether the similarities of items in two spaces go together",
    ),
    "gromov_wasserstein_match": (
        "pairs.optimal_matching:OptimalMatching",
        "share of items that find their own partner by distances alone",
    ),
    "information_imbalance": (
        "pairs.neighbor_ranks:InformationImbalance",
        "rank of the first space's nearest neighbors in the second, 1 where it is that of any item",
    ),
    "linear_r2": (
        "pairs.linear_maps:LinearMap",
        "share of the second space's variance that a linear map of the first keeps",
    ),
    "mcc": (
        "pairs.matched_dimensions:MatchedDimensions",
        "whether the dimensions of two spaces match one to one",
    ),
    "mutual_knn": (
        "pairs.neighbor_overlap:MutualNeighbors",
        "share of the 10 nearest neighbors that are the same",
    ),
    "procrustes": ("pairs.rotations:Procrustes", "whether two spaces are the same up to a rotation"),
    "rsa": ("pairs.distance_ranks:DistanceRanks", "rank correlation of the distances of all pairs of items"),
    "stitched_r2": (
        "pairs.stitching:Stitching",
        "share of the inputs' variance that the second decoder keeps, given the first encoder's codes",
    ),
}


@hookimpl
def register_pair_metrics(register: Callable[..., None]) -> None:
    """Register the built-in metrics of two spaces."""
    for name, (target, summary) in PAIR_METRICS.items():
        register(name, f"latentbench_metrics.{target}", summary=summary)


@hookimpl
def report_sections(results: Results) -> list[tuple[str, pd.DataFrame]]:
    """Add a table of rate, mse and r2 for models with a rate: errors are only comparable at equal rates."""
    import pandas as pd

    rows = [row for row in results.rows_of(scores={"rate", "mse", "r2"}) if row.has_value]
    columns = ["dataset", "label", "score", "value"]
    wanted = pd.DataFrame([attrgetter(*columns)(row) for row in rows], columns=columns)
    if not (wanted["score"] == "rate").any():
        return []
    table = wanted.pivot_table(index=["dataset", "label"], columns="score", values="value", aggfunc="mean")
    table = table.reindex(columns=["rate", "mse", "r2"]).dropna(subset=["rate"])
    table = table.reset_index().sort_values(["dataset", "rate"], kind="stable", ignore_index=True)
    return [("Rate and distortion", table.rename_axis(columns=None))]
