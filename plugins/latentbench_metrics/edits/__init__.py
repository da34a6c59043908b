"""Whether attributes can be edited: gains of single edits, chains of them, and what a judge of images sees."""
