"""How much of a score is the model, its setting, the seed: an analysis of variance of a run."""
