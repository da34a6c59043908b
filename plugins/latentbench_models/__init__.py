"""The built-in models of latentbench, registered like anybody's plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl

MODELS = {
    "ae": ("ae:AE", "autoencoder"),
    "beta_vae": ("beta_vae:BetaVAE", "variational autoencoder with a weight on the rate"),
    "pca": ("pca:PCA", "principal components (reference row)"),
    "pixels": ("references:Pixels", "the inputs themselves, no compression (reference row)"),
    "random_projection": ("references:RandomProjection", "random orthonormal directions (reference row)"),
    "untrained": ("references:Untrained", "the autoencoder's encoder without training (reference row)"),
    "vae": ("vae:VAE", "variational autoencoder"),
}


@hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Offer the built-in models."""
    for name, (target, summary) in MODELS.items():
        register(name, f"latentbench_models.{target}", summary=summary)
