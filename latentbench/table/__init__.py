"""The comparison table: gathered from the rows of a run, judged, worded and printed."""
