"""How alike two spaces are: one family of scores a file."""
