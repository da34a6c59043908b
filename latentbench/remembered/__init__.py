"""What was read of a run and has not changed since, kept below the cache."""
