"""Explorations of one latent space, one file per verb: what the command line writes and the page shows."""
