"""Whether attributes can be edited: gains of single edits, chains of edits, and edits judged by a classifier."""
