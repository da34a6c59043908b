"""The built-in models of latentbench, registered through the same hook as any plugin."""

from __future__ import annotations

from collections.abc import Callable

from latentbench import hookimpl

MODELS = {
    "aae": ("adversarial.aae:AAE", "adversarial autoencoder: a critic holds codes to the prior"),
    "acai": ("adversarial.acai:ACAI", "autoencoder whose mixtures of codes pass for real"),
    "ae": ("ae:AE", "autoencoder"),
    "annealed_vae": ("variational.annealed_vae:AnnealedVAE", "VAE whose rate is held at a rising capacity"),
    "barlow_twins": ("self_supervised.barlow_twins:BarlowTwins", "self-supervised: views are correlated"),
    "beta_tcvae": ("variational.beta_tcvae:BetaTCVAE", "VAE with a weight on the total correlation of codes"),
    "beta_vae": ("beta_vae:BetaVAE", "variational autoencoder with a weight on the rate"),
    "byol": ("self_supervised.byol:BYOL", "self-supervised: predicts a slow copy of itself"),
    "contractive_ae": ("regularized.contractive_ae:ContractiveAE", "autoencoder whose codes change little"),
    "deepsdf": ("deepsdf:DeepSDF", "auto-decoder of signed distances: codes are fitted, points are decoded"),
    "denoising_ae": ("regularized.denoising_ae:DenoisingAE", "autoencoder of corrupted inputs"),
    "diffusion_ae": ("diffusion.diffusion_ae:DiffusionAE", "autoencoder whose decoder takes noise off in steps"),
    "dip_vae": ("variational.dip_vae:DIPVAE", "VAE whose codes are made uncorrelated"),
    "factor_analysis": ("classic.factor_analysis:FactorAnalysis", "factor analysis, fitted by maximum likelihood"),
    "factor_vae": ("variational.factor_vae:FactorVAE", "VAE with a discriminator of dependent codes"),
    "fsq": ("discrete.fsq:FSQ", "autoencoder whose codes are rounded to a few levels"),
    "gan": ("adversarial.gan:GAN", "generative adversarial network: codes are fitted"),
    "hierarchical_vae": (
        "variational.hierarchical_vae:HierarchicalVAE",
        "VAE of two levels of codes",
    ),
    "ica": ("classic.ica:ICA", "independent components"),
    "image_autodecoder": ("image_autodecoder:ImageAutodecoder", "auto-decoder of images: codes are fitted"),
    "info_vae": ("variational.info_vae:InfoVAE", "VAE with the discrepancy of all codes from the prior (MMD)"),
    "isomap": ("classic.isomap:Isomap", "Isomap, a map by distances along a graph of neighbors"),
    "iwae": ("variational.iwae:IWAE", "VAE of a tighter bound, from several samples an image"),
    "kernel_pca": ("classic.kernel_pca:KernelPCA", "principal components of a kernel"),
    "lle": ("classic.lle:LLE", "locally linear embedding, a map without decoder"),
    "mds": ("classic.mds:MDS", "multidimensional scaling, a map without encoder or decoder"),
    "network": ("network:Network", "a layer of a network of your own"),
    "nmf": ("classic.nmf:NMF", "non-negative matrix factorization: parts that add up"),
    "pca": ("pca:PCA", "principal components (reference row)"),
    "pixels": ("references:Pixels", "the inputs themselves, no compression (reference row)"),
    "rae": ("regularized.rae:RAE", "autoencoder with short codes and a smooth decoder (L2, GP)"),
    "random_projection": ("references:RandomProjection", "random orthonormal directions (reference row)"),
    "simclr": ("self_supervised.simclr:SimCLR", "self-supervised: tells views of an item from those of others"),
    "sklearn": ("sklearn_pipeline:SklearnPipeline", "a pipeline of scikit-learn transformers, in one line"),
    "sparse_ae": ("regularized.sparse_ae:SparseAE", "autoencoder that keeps the largest numbers of a code"),
    "supervised": ("self_supervised.supervised:Supervised", "an encoder trained by labels: an upper bound"),
    "swae": ("regularized.swae:SWAE", "autoencoder with the sliced Wasserstein distance from a prior"),
    "topo_ae": ("regularized.topo_ae:TopoAE", "autoencoder that keeps the nearest distances of a batch"),
    "tsne": ("tsne:TSNE", "t-SNE, a map of the test items without encoder or decoder"),
    "umap": ("umap:UMAP", "UMAP, a map without decoder"),
    "untrained": ("references:Untrained", "the autoencoder's encoder without training (reference row)"),
    "vae": ("vae:VAE", "variational autoencoder"),
    "vae_gan": ("adversarial.vae_gan:VAEGAN", "variational autoencoder that compares features of a critic"),
    "vamp_vae": ("variational.vamp_vae:VampVAE", "VAE whose prior is a mixture over learned pseudo-inputs"),
    "vicreg": ("self_supervised.vicreg:VICReg", "self-supervised: views alike, numbers spread and not correlated"),
    "vq_vae": ("discrete.vq_vae:VQVAE", "autoencoder whose codes are made of learned codewords"),
    "wae_mmd": ("regularized.wae_mmd:WAEMMD", "autoencoder with the discrepancy of its codes from a prior (MMD)"),
}


@hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Register the built-in models."""
    for name, (target, summary) in MODELS.items():
        register(name, f"latentbench_models.{target}", summary=summary)
