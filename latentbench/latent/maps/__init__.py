"""Maps of codes in two dimensions: made, aligned, toured, and turned back into codes."""
