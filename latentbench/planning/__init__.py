"""From a benchmark to trials and score requests."""
