"""Decoding in the page: a decoder as a list of operations, and the scripts that compute and use it."""
