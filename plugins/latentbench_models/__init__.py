"""The built-in models of latentbench, registered through the same hook as any plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl

MODELS = {
    "ae": ("ae:AE", "autoencoder"),
    "barlow_twins": (
        "self_supervised.barlow_twins:BarlowTwins",
        "self-supervised: views are correlated",
    ),
    "beta_vae": ("beta_vae:BetaVAE", "variational autoencoder with a weight on the rate"),
    "byol": ("self_supervised.byol:BYOL", "self-supervised: predicts a slow copy of itself"),
    "network": ("network:Network", "a layer of a network of your own"),
    "deepsdf": ("deepsdf:DeepSDF", "auto-decoder of signed distances: codes are fitted, points are decoded"),
    "factor_analysis": ("classic.factor_analysis:FactorAnalysis", "factor analysis, fitted by maximum likelihood"),
    "ica": ("classic.ica:ICA", "independent components"),
    "image_autodecoder": ("image_autodecoder:ImageAutodecoder", "auto-decoder of images: codes are fitted"),
    "isomap": ("classic.isomap:Isomap", "Isomap, a map by distances along a graph of neighbors"),
    "kernel_pca": ("classic.kernel_pca:KernelPCA", "principal components of a kernel"),
    "lle": ("classic.lle:LLE", "locally linear embedding, a map without decoder"),
    "mds": ("classic.mds:MDS", "multidimensional scaling, a map without encoder or decoder"),
    "nmf": ("classic.nmf:NMF", "non-negative matrix factorization: parts that add up"),
    "pca": ("pca:PCA", "principal components (reference row)"),
    "pixels": ("references:Pixels", "the inputs themselves, no compression (reference row)"),
    "random_projection": ("references:RandomProjection", "random orthonormal directions (reference row)"),
    "simclr": ("self_supervised.simclr:SimCLR", "self-supervised: tells views of an item from those of others"),
    "sklearn": ("sklearn_pipeline:SklearnPipeline", "a pipeline of scikit-learn transformers, in one line"),
    "supervised": (
        "self_supervised.supervised:Supervised",
        "an encoder trained by labels (reference row)",
    ),
    "tsne": ("tsne:TSNE", "t-SNE, a map of the test items without encoder or decoder"),
    "umap": ("umap:UMAP", "UMAP, a map without decoder"),
    "untrained": ("references:Untrained", "the autoencoder's encoder without training (reference row)"),
    "vae": ("vae:VAE", "variational autoencoder"),
    "vicreg": ("self_supervised.vicreg:VICReg", "self-supervised: views alike, numbers spread and not correlated"),
}


@hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Register the built-in models."""
    for name, (target, summary) in MODELS.items():
        register(name, f"latentbench_models.{target}", summary=summary)
