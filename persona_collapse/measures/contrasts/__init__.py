"""Contrasts of variants: pairs, intervals, tests of exchangeability, averages over models."""
