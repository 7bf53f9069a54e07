"""Intervals, bootstrap and random effects: statistics that measures share."""
