"""Looks into one latent space, one file a verb: what the command line writes and the page shows."""
