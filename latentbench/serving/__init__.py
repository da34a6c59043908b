"""The page of a run, served on this machine: it asks for pictures and codes, which torch computes."""
