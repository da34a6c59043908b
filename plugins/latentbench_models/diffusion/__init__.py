"""Models whose decoder takes noise off in steps."""
