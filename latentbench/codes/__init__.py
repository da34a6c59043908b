"""Own codes: arrays that others computed, as trials of a run."""
