"""What a run will take, told beforehand."""
