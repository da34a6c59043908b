"""Source files of plugins: loading one, and digests of what a class depends on."""
