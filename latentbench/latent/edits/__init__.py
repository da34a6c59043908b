"""Attributes of items, the directions in which they lie, edits along them, and what an edit should give."""
