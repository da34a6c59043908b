"""Charts of the numbers of a run: curves over settings that varied, and scores against rate and cost."""
