"""The report: one HTML page that opens from a file, without a network."""
