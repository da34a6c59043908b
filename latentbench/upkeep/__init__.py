"""Run folders as a whole: looked over, repaired, joined, packed."""
