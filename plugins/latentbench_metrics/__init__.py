"""The built-in metrics of latentbench, registered like anybody's plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from latentbench import hookimpl

if TYPE_CHECKING:
    import pandas as pd

    from latentbench import Results

METRICS = {
    "acai_lines": ("acai:AcaiLines", "whether drawn lines turn evenly, and stay lines, on the way"),
    "active_units": ("geometry:ActiveUnits", "how many dimensions vary over the data"),
    "class_switches": ("walk_realism:ClassSwitches", "how often the class changes between two images"),
    "class_transport": ("matches:ClassTransport", "transport between the classes' codes over their width"),
    "compression": ("efficiency:Compression", "input numbers per code number"),
    "dci": (
        "disentanglement.dci:Dci",
        "whether each dimension tells of one factor, by trees that predict the factors",
    ),
    "decode_latency": ("efficiency:DecodeLatency", "time to decode 1000 codes"),
    "distances": ("neighborhoods:Distances", "whether far items stay far, over pairs and triplets"),
    "edit_chain": ("edits.chains:EditChain", "whether edits one after another still give the true image"),
    "edit_gain": ("edits.gains:EditGain", "whether moving a code one way changes one attribute, and that alone"),
    "elbo": ("likelihoods:Likelihoods", "lower bound of the log-likelihood of inputs"),
    "encode_latency": ("efficiency:EncodeLatency", "time to encode 1000 inputs"),
    "factor_vae": ("disentanglement.factors:FactorVae", "whether the stillest dimension names the fixed factor"),
    "fisher_ratio": ("clusters:FisherRatio", "how far apart the classes lie, over their width in each direction"),
    "flip_rate": ("edits.flips:FlipRate", "whether a classifier of images sees an edit"),
    "geodesic_ratio": ("path_geometry:GeodesicRatio", "how much longer straight paths are than the shortest"),
    "image_quality": ("image_quality:ImageQuality", "PSNR and SSIM of reconstructed images"),
    "infomec_explicitness": (
        "disentanglement.infomec:InfoE",
        "how much of the factors a linear model reads from the codes",
    ),
    "infomec_shares": (
        "disentanglement.infomec:InfoMC",
        "whether dimensions and factors go one to one, by information",
    ),
    "intrinsic_dimension": ("intrinsic_dimension:IntrinsicDimension", "how many dimensions the codes fill"),
    "iou": ("iou:IntersectionOverUnion", "overlap of decoded shapes with the true ones"),
    "iwae": ("likelihoods:ImportanceWeighted", "a tighter bound, by importance sampling"),
    "jacobian": ("path_geometry:JacobianSpectrum", "how unevenly the decoder stretches small changes of a code"),
    "kmeans": ("clusters:KMeansAgreement", "whether k-means finds the classes"),
    "knn": ("neighbors:Neighbors", "whether the nearest training codes have the same label"),
    "knn_sample": ("neighbors:SampledNeighbors", "the same for posterior samples"),
    "linear_probe": ("probes:LinearProbe", "whether a linear classifier reads the classes from the codes"),
    "mig": ("disentanglement.factors:Mig", "gap in information between a factor's two best dimensions"),
    "modularity": (
        "disentanglement.factors:Modularity",
        "whether each informed dimension tells of one factor only",
    ),
    "ms_ssim3": ("image_quality:MsSsim", "structural similarity of reconstructed images at three scales"),
    "neighborhoods": ("neighborhoods:Neighborhoods", "whether near items stay near"),
    "noise": ("robustness:Noise", "whether codes stay put when pixels are noisy"),
    "ood_auroc": ("bounds:HeldOutClasses", "whether classes not trained on are reconstructed worse"),
    "out_of_bounds": ("generation:OutOfBounds", "whether new images stay near the training images"),
    "out_of_bounds_classifier": ("bounds:ClassifiedBounds", "whether a classifier tells new images from real"),
    "parameters": ("efficiency:ParameterCount", "number of trained parameters"),
    "participation_ratio": ("geometry:ParticipationRatio", "how many directions share the variance of the codes"),
    "path_energy": ("interpolation:PathEnergy", "how unevenly images change along straight paths"),
    "path_shape": ("interpolation:PathShape", "length, bends and steps of decoded straight paths"),
    "peak_memory": ("efficiency:PeakMemory", "most memory in use while training"),
    "pixel_shift": ("robustness:PixelShift", "whether codes keep their neighbors when images move by a pixel"),
    "prior_match": ("matches:PriorMatch", "distance from posterior samples to the prior"),
    "r2": ("reconstruction:ExplainedVariance", "share of the inputs' variance kept"),
    "rate": ("likelihoods:Rate", "nats a code tells about its input"),
    "reconstruction": ("reconstruction:Reconstruction", "squared and absolute error of reconstructions"),
    "reconstruction_match": ("matches:ReconstructionMatch", "distance from reconstructions to real images"),
    "sample_match": ("matches:SampleMatch", "distance from decoded new codes to real images"),
    "sample_sinkhorn": ("matches:SampleSinkhorn", "the same by entropic optimal transport"),
    "sample_transport": ("matches:SampleTransport", "the same by exact optimal transport"),
    "samples": ("generation:Samples", "whether new images look real and are as varied"),
    "sap": ("disentanglement.factors:Sap", "gap in R² between a factor's two best dimensions"),
    "separation": ("clusters:Separation", "how compact and far apart the classes lie"),
    "throughput": ("efficiency:Throughput", "training images per second"),
    "train_seconds": ("efficiency:TrainSeconds", "time to train"),
    "walk_kd": ("walk_realism:WalkRealism", "whether images half way between two look real"),
}


@hookimpl
def register_metrics(register: Callable[..., None]) -> None:
    """Register the built-in metrics."""
    for name, (target, summary) in METRICS.items():
        register(name, f"latentbench_metrics.{target}", summary=summary)


@hookimpl
def report_sections(results: Results) -> list[tuple[str, pd.DataFrame]]:
    """Add a table of rate, mse and r2 of the models that have a rate: only at equal rate is error comparable."""
    scores = results.scores
    wanted = scores[scores["score"].isin(["rate", "mse", "r2"]) & scores["value"].notna()]
    if not (wanted["score"] == "rate").any():
        return []
    table = wanted.pivot_table(index=["dataset", "label"], columns="score", values="value", aggfunc="mean")
    table = table.reindex(columns=["rate", "mse", "r2"]).dropna(subset=["rate"])
    table = table.reset_index().sort_values(["dataset", "rate"], kind="stable", ignore_index=True)
    return [("Rate and distortion", table.rename_axis(columns=None))]
