"""Charts of a run's numbers: curves over what was varied, and scores against what they cost."""
