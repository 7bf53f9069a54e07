"""Contrasts of variants: pairs, permutation tests, averages over models."""
