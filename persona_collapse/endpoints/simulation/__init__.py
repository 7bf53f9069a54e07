"""Simulated respondents: traits, calibration, the law of a cell's ratings."""
