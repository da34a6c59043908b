"""Variational autoencoders: what else than the rate pulls their posteriors, or what bounds the likelihood."""
