"""What plugins share and must not change: the state of their process, and the data of a run."""
