"""How alike spaces are: pair scores between models, beside what unrelated spaces and seeds of one model score."""
