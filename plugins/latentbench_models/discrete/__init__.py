"""Autoencoders whose codes take values from a finite set."""
