"""Asking models: the answer store, the engine that spends, and what is told before and after."""
