"""Metrics of one trial, computed by several processes that a worker forks."""
