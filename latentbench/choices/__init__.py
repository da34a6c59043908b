"""Parameters that a run chose for its models on the validation split, and what it tried."""
