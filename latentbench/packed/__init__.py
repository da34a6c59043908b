"""Runs as one file: what an archive of a run holds, how it is written, and how it is opened."""
