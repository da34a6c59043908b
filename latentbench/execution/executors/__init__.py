"""Jobs done elsewhere: workers on an engine's machines take them, and tell of them through the run's folder."""
