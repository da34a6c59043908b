"""What a run shows while it goes on, and all that is printed."""
