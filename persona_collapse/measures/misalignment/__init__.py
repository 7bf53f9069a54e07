"""Measures of the emergent-misalignment check."""
