"""Whether each ground-truth factor has a code dimension of its own."""
