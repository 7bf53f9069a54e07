"""Asking models: client, engine, limits, budget, and reading what comes back."""
