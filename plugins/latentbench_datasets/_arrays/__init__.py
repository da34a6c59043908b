"""Readers of the user's own files: arrays, tables, labels, folders of images."""
