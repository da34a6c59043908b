"""`python -m latentbench`."""

from latentbench.cli import main

main()
