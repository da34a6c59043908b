"""Verbs about a run folder as a whole."""
