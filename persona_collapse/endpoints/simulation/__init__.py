"""Simulated respondents: traits, calibration, and the distribution of a cell's ratings."""
