"""Optimal transport of images, of clouds of codes, and of signals."""
