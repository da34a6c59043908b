"""Which setting of a model a run goes on with: read from the scores of the validation split."""
