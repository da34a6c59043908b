"""Models whose networks play against each other."""
